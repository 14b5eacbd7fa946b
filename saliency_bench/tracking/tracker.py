"""What every store gets of a run: settings, numbers, the table of verdicts, and files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, runtime_checkable

import pandas as pd

from saliency_bench.protocols import interrupts
from saliency_bench.protocols.errors import one_line
from saliency_bench.results import Results

PAGES = ("report.html", "report.md")
"""What people read."""

FILES = (
    "verdicts.csv", "summary.csv", "networks.csv", "quality.csv", "ranks.csv", "reliability.csv",
    "trainings.csv", "provenance.json",
)  # fmt: skip
"""Tables of a run, beside those in `tables`. Scores and maps stay in its folder."""

FACTS = (
    "model", "dataset", "n_images", "seed", "draws", "target", "accuracy", "weights_hash",
    "images_hash", "command", "git",
)  # fmt: skip
"""Entries of the provenance that are settings of a run."""

NAMES = ("checks", "explainers", "metrics", "similarities")
"""Entries of the provenance that are what was asked, by name."""


@runtime_checkable
class Tracker(Protocol):
    """Sends a run to a store."""

    def log(self, results: Results, folder: Path | None = None) -> str:
        """Send a run; returns where it is now, in words.

        Args:
            results: of the run.
            folder: where its report lies; None, or a folder that is not on this machine: a report
                is written for the store.

        Raises:
            ValueError: in one line, if the store cannot be reached.
        """
        ...


def settings(results: Results) -> dict[str, str]:
    """What was asked, as texts by name."""
    known = results.provenance
    facts = {name: str(known[name]) for name in FACTS if known.get(name) is not None}
    return facts | {name: ", ".join(known[name]) for name in NAMES if known.get(name)}


def numbers(results: Results) -> dict[str, float]:
    """What was found: each finite number by a path of names.

    `retained/CHECK/EXPLAINER` is that of the similarity that decides, with the ends of its interval
    in `retained_low` and `retained_high`; `gain/METRIC/EXPLAINER` is a metric's gain over chance,
    and `mean/METRIC/EXPLAINER` the metric itself; `fails/CHECK` counts the explainers that fail,
    controls left out; `valid` is 1 or 0.
    """
    found = {"valid": float(results.valid)}
    for row in results.verdicts.to_dict("records"):
        place = f"{row['check']}/{row['explainer']}"
        for name in ("retained", "retained_low", "retained_high"):
            found[f"{name}/{place}"] = float(row[name])
    tested = results.verdicts[~results.verdicts["control"].fillna("").astype(bool)]
    for check, own in tested.groupby("check", sort=False):
        found[f"fails/{check}"] = float((own["verdict"] == "fail").sum())
    for row in results.quality.to_dict("records"):
        for name in ("mean", "gain", "gain_low", "gain_high"):
            found[f"{name}/{row['metric']}/{row['explainer']}"] = float(row[name])
    return {name: value for name, value in found.items() if math.isfinite(value)}


def verdicts(results: Results) -> pd.DataFrame:
    """The table of verdicts, as text where it is no number."""
    table = results.verdicts.drop(columns="schema_version", errors="ignore").copy()
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].fillna("").astype(str)
    return table


def state(results: Results) -> str:
    """Whether the run can be used, in a line."""
    if results.valid:
        return "valid"
    return "; ".join(["NOT valid", *results.problems, *results.guards])


@contextmanager
def report_of(results: Results, folder: Path | None) -> Iterator[Path]:
    """The folder of a run's report on this machine."""
    if isinstance(folder, Path) and (folder / "report.html").is_file():
        yield folder
        return
    with TemporaryDirectory() as scratch:
        yield results.report(scratch).parent


def files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a report that a store keeps, each with its subfolder there."""
    for path in (folder / name for name in (*PAGES, *FILES)):
        if path.is_file():
            yield path, ""
    for path in sorted((folder / "tables").iterdir()):
        yield path, "tables"
    for path in figures(folder):
        yield path, "figures"


def figures(folder: Path) -> list[Path]:
    """The pictures of a report."""
    return sorted((folder / "figures").glob("*.png"))


def require(module: str, name: str, extra: str) -> None:
    """Raise `ValueError` if the library behind a tracker is not installed."""
    try:
        there = find_spec(module) is not None
    except ValueError:  # something has its name, and is no module
        there = False
    if not there:
        raise ValueError(f"{name} is not installed: pip install 'saliency-bench[{extra}]'")


@contextmanager
def reaching(store: str) -> Iterator[None]:
    """A block whose errors become a `ValueError` in one line: the run itself is not lost."""
    try:
        with warnings.catch_warnings():
            # Its libraries use parts of others that are deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except Exception as error:  # a store's client may raise anything
        interrupts.ask()
        raise ValueError(
            f"the run could not be sent to {store}: {one_line(error)}; it is complete and stays in "
            "its folder: the same command sends it again"
        ) from error
