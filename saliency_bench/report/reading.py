"""A finished run's results, read back from its folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from saliency_bench.longtable import LongTable
from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.results import TRAININGS, Results
from saliency_bench.store import read_json


def read(folder: Path) -> Results:
    """What `write` wrote, without the example maps.

    Raises:
        ValueError: if a file is missing, damaged or of another schema version.
    """
    facts = read_json(folder / "provenance.json")
    if facts is None:
        raise ValueError(f"{folder} must hold a finished run; it has no provenance.json")
    try:
        return Results(
            long_scores=LongTable.read(folder / "scores.parquet"),
            long_floors=LongTable.read(folder / "floors.parquet"),
            networks=_csv(folder / "networks.csv"),
            summary=_csv(folder / "summary.csv"),
            verdicts=_csv(folder / "verdicts.csv"),
            provenance=facts,
            problems=tuple(facts["problems"]),
            guards=tuple(facts.get("guards", ())),
            trainings=_trainings(folder / "trainings.csv"),
        )
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{folder} must hold a finished run; {error}") from None


def _trainings(path: Path) -> pd.DataFrame:
    # A run that trained nothing has no such table.
    return _csv(path) if path.exists() else pd.DataFrame(columns=list(TRAININGS))


def _csv(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        table = pd.read_csv(file, keep_default_na=False, na_values=[""])
    if (table["schema_version"] != SCHEMA_VERSION).any():
        raise ValueError(f"{path.name} must have schema_version {SCHEMA_VERSION}")
    words = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.fillna(dict.fromkeys(words, ""))
