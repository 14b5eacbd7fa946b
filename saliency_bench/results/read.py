"""Reads the results of a finished run from its folder."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd

from saliency_bench.inference.tables import SUMMARY, VERDICTS
from saliency_bench.results import TRAININGS, Examples, Results, assessed, contents, files
from saliency_bench.results.columns import Column, check_frame, check_long
from saliency_bench.storage.longtable import KEYS, LongTable
from saliency_bench.storage.store import read_json, require_version

_BESIDE_FACTS = {"schema_version", *files.CONCLUSIONS}
"""Entries of provenance.json that are no facts of the provenance."""


def read(folder: Path) -> Results:
    """Read the results that `files.write` wrote.

    Raises:
        ValueError: if a file is missing, damaged, of another schema version, or holds something
            else than `contents` says.
    """
    with naming_run(folder):
        return replace(
            read_measurements(folder),
            summary=_csv(folder / "summary.csv", contents.AREAS),
            verdicts=_csv(folder / "verdicts.csv", contents.CONCLUSIONS),
            reliability=_optional(folder / "reliability.csv", contents.AGREEMENTS),
            quality=_optional(folder / "quality.csv", contents.QUALITIES),
            ranks=_optional(folder / "ranks.csv", contents.RANKS),
        )


def read_measurements(folder: Path, *, pictures: bool = True) -> Results:
    """Read the measurements of a run, without the summary and verdicts that follow from them.

    Args:
        folder: of the run.
        pictures: whether to read its example images and maps.

    Raises:
        ValueError: if a file is missing, damaged, of another schema version, or holds something
            else than `contents` says.
    """
    with naming_run(folder):
        facts = read_json(folder / "provenance.json", contents.FACTS)
        if facts is None:
            raise ValueError("it has no provenance.json")
        scores = _long(folder / "scores.parquet", contents.SCORES)
        floors = _long(folder / "floors.parquet", contents.FLOORS)
        networks = _csv(folder / "networks.csv", contents.NETWORKS)
        contents.check_together(scores, floors, networks, metrics=bool(facts.get("metrics")))
        return Results(
            long_scores=scores,
            long_floors=floors,
            networks=networks,
            summary=pd.DataFrame(columns=list(SUMMARY)),
            verdicts=pd.DataFrame(columns=list(VERDICTS)),
            provenance={name: facts[name] for name in facts if name not in _BESIDE_FACTS},
            problems=tuple(facts["problems"]),
            guards=tuple(facts.get("guards", ())),
            trainings=_trainings(folder / "trainings.csv"),
            examples=_examples(folder / "examples.npz") if pictures else None,
            long_metrics=_assessed(folder / "metrics.parquet", contents.METRICS),
            long_curves=_assessed(folder / "curves.parquet", contents.CURVES),
        )


@contextmanager
def naming_run(folder: Path) -> Iterator[None]:
    """Raise any error about the files of a run as one line that names the run."""
    try:
        yield
    except (OSError, ValueError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename:
            text = f"{Path(error.filename).name}: {error.strerror}"
        line = text if str(folder) in text else f"{folder} must hold a finished run; {text}"
        raise ValueError(line) from None


def _long(path: Path, columns: Mapping[str, Column], names: tuple[str, ...] = KEYS) -> LongTable:
    table = LongTable.read(path, names)
    check_long(path.name, table, columns)
    return table


def _trainings(path: Path) -> pd.DataFrame:
    # A run without trainings has no such table.
    return _csv(path, contents.LEARNED) if path.exists() else pd.DataFrame(columns=list(TRAININGS))


def _assessed(path: Path, columns: Mapping[str, Column]) -> LongTable | None:
    # A run without metrics has no such table.
    return _long(path, columns, assessed.NAMES) if path.exists() else None


def _optional(path: Path, columns: Mapping[str, Column]) -> pd.DataFrame:
    # A run without metrics, or of an older version, has no such table.
    return _csv(path, columns) if path.exists() else pd.DataFrame()


def _examples(path: Path) -> Examples | None:
    # A run of an older version has none.
    return files.read_examples(path.read_bytes()) if path.exists() else None


def _csv(path: Path, columns: Mapping[str, Column]) -> pd.DataFrame:
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        raise ValueError(f"{path.name} must end with a line break; it is cut off")
    words = {name: str for name, column in columns.items() if column.kind == "word"}
    table = pd.read_csv(
        io.BytesIO(content), keep_default_na=False, na_values=[""], dtype=words, low_memory=False
    )
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(f"{path.name} must have a name for each column; it lacks one")
    versions = table.get("schema_version", pd.Series(["none"]))
    for version in versions.unique():
        require_version(path.name, str(version))
    others = table.select_dtypes(exclude=["number", "bool"]).columns
    table = table.fillna(dict.fromkeys(others, ""))
    check_frame(path.name, table, columns)
    return table[[name for name in table if name in columns]].copy()
