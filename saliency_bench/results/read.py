"""Reads the results of a finished run from its folder."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd

from saliency_bench.inference.tables import SUMMARY, VERDICTS
from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.results import TRAININGS, Examples, Results, files, tables
from saliency_bench.storage.longtable import LongTable
from saliency_bench.storage.store import read_json

_BESIDE_FACTS = {"schema_version", *files.CONCLUSIONS}
"""Entries of provenance.json that are no facts of the provenance."""

_WORDS = {"verdict", "similarity", "reason", "control"}
"""Columns of words that may be empty from top to bottom."""


def read(folder: Path) -> Results:
    """Read the results that `files.write` wrote.

    Raises:
        ValueError: if a file is missing, damaged or of another schema version.
    """
    with _naming_run(folder):
        return replace(
            read_measurements(folder),
            summary=_csv(folder / "summary.csv", SUMMARY),
            verdicts=_csv(folder / "verdicts.csv", VERDICTS),
        )


def read_measurements(folder: Path, *, pictures: bool = True) -> Results:
    """Read the measurements of a run, without the summary and verdicts that follow from them.

    Args:
        folder: of the run.
        pictures: whether to read its example images and maps.

    Raises:
        ValueError: if a file is missing, damaged or of another schema version.
    """
    facts = read_json(folder / "provenance.json")
    if facts is None:
        raise ValueError(f"{folder} must hold a finished run; it has no provenance.json")
    with _naming_run(folder):
        return Results(
            long_scores=LongTable.read(folder / "scores.parquet"),
            long_floors=LongTable.read(folder / "floors.parquet"),
            networks=_csv(folder / "networks.csv", tables.NETWORKS),
            summary=pd.DataFrame(columns=list(SUMMARY)),
            verdicts=pd.DataFrame(columns=list(VERDICTS)),
            provenance={name: facts[name] for name in facts if name not in _BESIDE_FACTS},
            problems=tuple(facts["problems"]),
            guards=tuple(facts.get("guards", ())),
            trainings=_trainings(folder / "trainings.csv"),
            examples=_examples(folder / "examples.npz") if pictures else None,
        )


@contextmanager
def _naming_run(folder: Path) -> Iterator[None]:
    """Raise any error about the files of a run as one line that names the run."""
    try:
        yield
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        text = str(error)
        line = text if str(folder) in text else f"{folder} must hold a finished run; {text}"
        raise ValueError(line) from None


def _trainings(path: Path) -> pd.DataFrame:
    # A run without trainings has no such table.
    return _csv(path, TRAININGS) if path.exists() else pd.DataFrame(columns=list(TRAININGS))


def _examples(path: Path) -> Examples | None:
    # A run of an older version has none.
    return files.read_examples(path.read_bytes()) if path.exists() else None


def _csv(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    with path.open("rb") as file:
        table = pd.read_csv(file, keep_default_na=False, na_values=[""])
    if lacking := {"schema_version", *columns} - set(table.columns):
        raise ValueError(f"{path.name} must have the columns {', '.join(sorted(lacking))}")
    if (table["schema_version"] != SCHEMA_VERSION).any():
        raise ValueError(f"{path.name} must have schema_version {SCHEMA_VERSION}")
    table = table[[name for name in table if name in set(columns)]].copy()
    for name in table:
        if name in _WORDS or table[name].dtype.kind not in "iufb":
            texts = table[name].astype(object)
            table[name] = texts.where(texts.notna(), "").astype(str)
    return table
