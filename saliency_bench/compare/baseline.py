"""A baseline: the part of a run that a comparison needs, small enough to be committed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from saliency_bench.compare.evidence import SAME_SCORES, SETTINGS, TRAININGS, Side
from saliency_bench.protocols import FAILURES
from saliency_bench.results import Results, files
from saliency_bench.storage.longtable import Key, LongTable, open_writer
from saliency_bench.storage.store import read_json, write_atomic

_FACTS = (
    *SAME_SCORES, *SETTINGS, "n_images", "dataset", "model", "git", "expectations", "thresholds",
    "signed", "controls", "chance", "metrics",
)  # fmt: skip
"""Facts to copy; not command, machine and errors: they may name folders and people."""

_VALUES = ("score", "null", "ceiling", "value")


def freeze(run: Results | Path, folder: Path) -> None:
    """Make a baseline of a run: the scores behind its verdicts, without controls, as float32.

    A baseline has the files of a run and can be read as one. It holds no command, path, image or
    map.

    Args:
        run: its results, or its folder.
        folder: where to write the baseline; an existing baseline is replaced.

    Raises:
        ValueError: if the run is not valid, gave no verdict, or its folder is unusable; or if
            `folder` holds a run.
        OSError: if the baseline cannot be written.
    """
    existing = read_json(folder / "provenance.json")
    if existing is not None and not existing.get("baseline"):
        raise ValueError(f"a baseline must not be written over a run; there is one at {folder}")
    side = Side(run, "the run")
    side.require_valid("the run of a baseline", side.expectations)
    verdicts = {key: side.judge(key).verdict for key in side.keys}
    metrics = side.results.long_metrics
    decided = any(verdict.measured or verdict.verdict == "fail" for verdict in verdicts.values())
    if not decided and metrics is None:
        raise ValueError(
            "the run of a baseline must have given a verdict; it gave none"
            + "".join(f" ({verdict.reason})" for verdict in [*verdicts.values()][:1])
        )
    keys = {key for key, verdict in verdicts.items() if verdict.verdict}
    # Removed first and written last: a folder with this file is a whole baseline.
    (folder / "provenance.json").unlink(missing_ok=True)
    _write(side.results.long_scores, folder / "scores.parquet", keys)
    _write(side.results.long_floors, folder / "floors.parquet", ())
    if metrics is not None:
        tested = {key for key in metrics.keys if key[0] not in side.evidence.controls}
        _write(metrics, folder / "metrics.parquet", tested)
    write_atomic(folder / "networks.csv", files.csv(side.results.networks))
    facts = {name: side.facts[name] for name in _FACTS if name in side.facts}
    facts |= {"baseline": True, TRAININGS: side.trainings}
    written = files.provenance(replace(side.results, provenance=facts))
    write_atomic(folder / "provenance.json", written)


def _write(table: LongTable, path: Path, keys: Collection[Key]) -> None:
    """Write the rows of some keys of a table."""
    small = [f.with_type(pa.float32()) if f.name in _VALUES else f for f in table.schema]
    schema = pa.schema(small)
    with open_writer(path, schema) as writer:
        for key in table.keys:
            if key in keys:
                rows = table.rows(key)
                # The condition of a failed explainer is its error, which may name folders.
                if "condition" in rows:
                    failed = rows["status"].isin(FAILURES)
                    rows["condition"] = rows["condition"].astype(str).mask(failed, "failed")
                written = pa.Table.from_pandas(rows, preserve_index=False)
                writer.write(key, written.cast(schema))
