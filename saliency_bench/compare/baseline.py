"""A baseline: a run without all that a comparison does not need, small enough to be committed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from saliency_bench.compare.sides import SETTINGS, STUDY, Side
from saliency_bench.longtable import Key, LongTable, writing
from saliency_bench.report import files
from saliency_bench.results import Results
from saliency_bench.store import write_atomic

_KEPT = (
    *STUDY, *SETTINGS, "n_images", "dataset", "model", "git", "expectations", "signed", "controls",
    "chance", "not_applicable", "checks_not_applicable", "failed",
)  # fmt: skip
"""Neither the command nor the machine: they may name folders and people."""

_VALUES = ("score", "null", "ceiling")


def freeze(run: Results | Path, folder: Path) -> None:
    """Make a baseline of a run: the scores behind its verdicts, without controls, as float32.

    Its files are those of a run, so that it is read as one; no command, path, image or map is
    among them.

    Args:
        run: its results, or its folder.
        folder: where the baseline is written; one that is there is replaced.

    Raises:
        ValueError: if the run is not valid, gave no verdict, or its folder is unusable.
        OSError: if the baseline cannot be written.
    """
    side = Side(run)
    side.require_valid("the run of a baseline")
    if not side.areas:
        raise ValueError("the run of a baseline must have given a verdict; it gave none")
    facts = {name: side.facts[name] for name in _KEPT if name in side.facts}
    _write(side.results.long_scores, folder / "scores.parquet", side.areas)
    _write(side.results.long_floors, folder / "floors.parquet", ())
    write_atomic(folder / "networks.csv", files.csv(side.results.networks))
    # Last: a folder with it is a whole baseline.
    told = files.provenance(replace(side.results, provenance=facts))
    write_atomic(folder / "provenance.json", told)


def _write(table: LongTable, path: Path, keys: Collection[Key]) -> None:
    """The rows of some keys of a table."""
    small = [f.with_type(pa.float32()) if f.name in _VALUES else f for f in table.schema]
    schema = pa.schema(small)
    with writing(path, schema) as writer:
        for key in table.keys:
            if key in keys:
                rows = pa.Table.from_pandas(table.rows(key), preserve_index=False)
                writer.write(key, rows.cast(schema))
