"""What is kept of the leaderboard: rows of every run, from which its page and figures are made.

A run that is repeated, whole or for some explainers, replaces its own rows; so that the board is
whole wherever the runs of the other networks are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.leaderboard import figure
from experiments.leaderboard.networks import NETWORKS, explainers
from experiments.provenance import made_by
from saliency_bench.protocols import AREA
from saliency_bench.report import board, page
from saliency_bench.report.text.markdown import board_text
from saliency_bench.results import Results
from saliency_bench.storage.longtable import LongTable

VERDICTS, QUALITY, FACTS = "verdicts.csv", "quality.csv", "provenance.json"

COSTS = "costs.csv"
"""What each explainer costs: measured once, beside what the runs say."""

RUN = ["network", "run"]
"""Columns that say whose a row is."""

QUESTIONS = {VERDICTS: "check", QUALITY: "metric"}
"""The tables, and the column that says what a row answers."""

NUMBERS = ["mean", "low", "high"]
"""Columns of the deciding similarity itself: what a check without a retained share is judged by."""

SIZE = ("n_images", "draws")
"""Facts in which a run must agree with the kept rows that it joins."""

TOLD = (
    *SIZE, "accuracy", "dataset", "model", "expectations", "controls", "metrics",
    "checks_not_applicable", "metrics_not_applicable", "warnings",
)  # fmt: skip
"""Facts of a run that the board needs."""


def keep(runs: Iterable[tuple[str, str, Results]], kept: Path) -> None:
    """Put the rows of runs in place of those that were kept of them.

    Args:
        runs: network, name and results of each; a later one replaces the rows of an earlier one.
        kept: folder of the evidence.

    Raises:
        ValueError: if a run is of another size than the rows of other explainers that it joins.
    """
    facts = _facts(kept)
    tables = {kind: _table(kept / kind) for kind in QUESTIONS}
    for network, run, results in runs:
        name, own, found = f"{network}/{run}", told(results), rows_of(results)
        named = {name for rows in found.values() for name in rows.get("explainer", ())}
        for kind, table in tables.items():
            is_of = (table["network"] == network) & (table["run"] == run)
            joins = is_of & ~table["explainer"].isin(named)
            differ = [fact for fact in SIZE if joins.any() and own[fact] != facts[name][fact]]
            if differ:
                raise ValueError(
                    f"{name} must be of the size of the other explainers' rows; {differ[0]} is "
                    f"{own[differ[0]]}, not {facts[name][differ[0]]}"
                )
            place = {"network": network, "run": run, "git": results.provenance.get("git")}
            parts = [table[~is_of | joins], found[kind].assign(**place)]
            tables[kind] = pd.concat([part for part in parts if len(part)] or [table])
        facts[name] = own
    kept.mkdir(parents=True, exist_ok=True)
    for kind, table in tables.items():
        key = [*RUN, QUESTIONS[kind], "explainer"]
        whole = table.sort_values(key, key=_order, kind="stable")
        columns = [*RUN, *whole.columns.drop([*RUN, "git"]), "git"]
        whole[columns].round(6).to_csv(kept / kind, index=False)
    made = made_by("python -m experiments.leaderboard")
    ordered = {name: facts[name] for name in _runs() if name in facts}
    text = json.dumps({**made, "runs": ordered}, indent=1)
    (kept / FACTS).write_text(text + "\n", encoding="utf-8")


def rows_of(results: Results) -> dict[str, pd.DataFrame]:
    """What is kept of the tables of a run."""
    areas = results.summary[results.summary["stage"] == AREA]
    place = ["check", "explainer", "similarity"]
    found = {VERDICTS: results.verdicts.merge(areas[[*place, *NUMBERS]], how="left", on=place)}
    return found | {QUALITY: results.quality}


def told(results: Results) -> dict[str, Any]:
    """What is kept of the facts of a run."""
    facts = {name: results.provenance[name] for name in TOLD if name in results.provenance}
    return facts | {"problems": list(results.problems), "guards": list(results.guards)}


def read(kept: Path) -> dict[str, Results]:
    """The conclusions of every run that is kept, without its measurements, by `NETWORK/RUN`."""
    tables = {kind: _table(kept / kind) for kind in QUESTIONS}
    found = {}
    for name, facts in _facts(kept).items():
        own = {
            kind: table[table["network"] + "/" + table["run"] == name].drop(columns=[*RUN, "git"])
            for kind, table in tables.items()
        }
        found[name] = Results(
            long_scores=LongTable(b""),
            long_floors=LongTable(b""),
            networks=pd.DataFrame(columns=["check", "stage", "condition"]),
            summary=own[VERDICTS].assign(stage=AREA),
            verdicts=own[VERDICTS].drop(columns=NUMBERS),
            provenance=facts,
            problems=tuple(facts["problems"]),
            guards=tuple(facts["guards"]),
            quality=own[QUALITY],
        )
    return found


def write(kept: Path) -> bool:
    """Write the page and the figures beside the tables; returns whether every run is valid.

    Args:
        kept: folder of the evidence, with the costs.
    """
    found = read(kept)
    parts = list(board.parts(board.titled(found)))
    (kept / "leaderboard.md").write_text(board_text(parts), encoding="utf-8")
    (kept / "leaderboard.html").write_text(page.board(parts, {}), encoding="utf-8")
    verdicts, quality = (_table(kept / kind) for kind in QUESTIONS)
    costs = pd.read_csv(kept / COSTS)
    names = list(explainers())
    figures = {
        "verdicts": len(verdicts) and figure.verdicts(verdicts, names),
        "metrics": len(quality) and figure.metrics(quality, names),
        "costs": len(verdicts) and len(quality) and figure.costs(quality, verdicts, costs),
    }
    for name, made in figures.items():
        if made:
            (kept / f"{name}.png").write_bytes(made)
    return all(results.valid for results in found.values())


def _table(path: Path) -> pd.DataFrame:
    """A kept table, with empty words as in a run; empty if there is none yet."""
    if not path.exists():
        return pd.DataFrame(columns=[*RUN, *NUMBERS, QUESTIONS[path.name], "explainer", "git"])
    table = pd.read_csv(path, low_memory=False)
    words = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.fillna(dict.fromkeys(words, ""))


def _facts(kept: Path) -> dict[str, dict[str, Any]]:
    path = kept / FACTS
    return json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else {}


def _runs() -> Iterable[str]:
    return (f"{name}/{run}" for name, network in NETWORKS.items() for run in network.runs)


def _order(column: pd.Series) -> pd.Series:
    """Networks, runs and questions in the order of the definitions, explainers by name."""
    if column.name == "explainer":
        return column
    every = [(name, run, own) for name, n in NETWORKS.items() for run, own in n.runs.items()]
    ordered = {
        "network": (name for name, _, _ in every),
        "run": (run for _, run, _ in every),
        "check": (check for _, _, own in every for check in own.checks),
        "metric": (metric for _, _, own in every for metric in own.metrics),
    }[str(column.name)]
    places = {name: place for place, name in enumerate(dict.fromkeys(ordered))}
    return column.map(places)
