"""What the tables and figures ask of a run: names in a fixed order, numbers as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from saliency_bench.protocols import AREA, Expectation
from saliency_bench.results import Results


@dataclass(frozen=True)
class Row:
    """One line of the verdict table, as text.

    Attributes:
        explainer: its name.
        verdict: with spaces, e.g. "not applicable".
        control: whether it is one, and so not under test.
        expected: the verdict a control must get; empty if none is due under this check.
        ok: whether the control got it.
        retained: what the verdict is taken on, with its interval.
        others: `retained` by every similarity; `*` the primary, `!` another verdict than its.
        reason: the sentence behind the verdict.
        disagrees: whether any similarity has another verdict than the primary.
    """

    explainer: str
    verdict: str
    control: bool
    expected: str
    ok: bool
    retained: str
    others: tuple[str, ...]
    reason: str
    disagrees: bool

    @property
    def outcome(self) -> str:
        """The verdict, and whether it is the one that is due."""
        return self.verdict + (", ok" if self.ok else ", WRONG") * bool(self.expected)


def number(value: float) -> str:
    """Two decimals; a dash where nothing can be said."""
    text = f"{value:.2f}" if np.isfinite(value) else "-"
    return "0.00" if text == "-0.00" else text


def interval(value: float, low: float, high: float) -> str:
    """`value [low, high]`, without the bounds if there are none."""
    if not np.isfinite([low, high]).all():
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def checks(results: Results) -> list[str]:
    """The checks of the run, in its order."""
    return _names([*results.verdicts["check"], *refused(results)])


def refused(results: Results) -> dict[str, str]:
    """Why a check could not be run at all, by check."""
    return dict(results.provenance.get("checks_not_applicable", {}))


def ran(results: Results) -> list[str]:
    """The checks of the run that could be run, in its order."""
    return [check for check in checks(results) if check not in refused(results)]


def expectation(results: Results, check: str) -> Expectation:
    """What a check says of itself.

    Raises:
        KeyError: if the run does not say so: an older version wrote it.
    """
    return Expectation.read(results.provenance["expectations"][check])


def ceiling_stage(results: Results, check: str) -> int | None:
    """The stage that measures a check's ceilings; None: they are 1."""
    return expectation(results, check).ceiling.stage


def dosed(results: Results) -> list[str]:
    """The checks under which explainers ran whose `retained` is known beforehand."""
    judged = any(line is not None for line in results.provenance.get("thresholds", {}).values())
    known = judged and results.provenance.get("doses")
    # Where ceilings are measured, what survives for certain is all there is to retain.
    return [check for check in ran(results) if known and ceiling_stage(results, check) is None]


def chance(results: Results) -> float | None:
    """Accuracy that guessing has; None where that is not known."""
    told = results.provenance.get("chance")
    return told if told is not None and np.isfinite(told) else None


def levels(results: Results, check: str) -> dict[int, float]:
    """The depth of every stage behind the one that measures the ceilings, if one does."""
    networks = results.networks
    ceiling = ceiling_stage(results, check) or 0
    later = networks[(networks["check"] == check) & (networks["stage"] > ceiling)]
    first = later.drop_duplicates("stage").sort_values("stage")
    return {int(s): float(d) for s, d in zip(first["stage"], first["depth"], strict=True)}


def similarities(results: Results, check: str) -> list[str]:
    """The similarities that scored this check, in the run's order."""
    return _names(results.summary.loc[results.summary["check"] == check, "similarity"])


def controls(results: Results) -> set[str]:
    """The explainers whose verdict is known beforehand, under this check or another one."""
    due = results.verdicts["control"].map(given)
    known = results.provenance.get("controls", ())
    return set(_names(results.verdicts.loc[due, "explainer"])) | set(known)


def stage_names(results: Results, check: str) -> dict[int, str]:
    """The name of every stage of this check; 0 is the untouched network."""
    summary, networks = results.summary, results.networks
    stages = np.unique(summary.loc[(summary["check"] == check) & (summary["stage"] > 0), "stage"])
    first = networks[networks["check"] == check].drop_duplicates("stage")
    named = dict(zip(first["stage"], first["condition"].astype(str), strict=True))
    untouched = expectation(results, check).words.untouched
    return {0: untouched} | {int(stage): named.get(stage, f"stage {stage}") for stage in stages}


def curves(results: Results, check: str, similarity: str) -> dict[str, pd.DataFrame]:
    """The summary of each explainer by stage, controls last; not of those that never ran."""
    summary = results.summary
    rows = summary[(summary["check"] == check) & (summary["similarity"] == similarity)]
    ran = _names(rows.loc[rows["stage"] > 0, "explainer"])
    known = controls(results)
    return {
        name: rows[rows["explainer"] == name].set_index("stage").sort_index()
        for name in sorted(ran, key=known.__contains__)
    }


def curves_of(results: Results, check: str, explainer: str) -> dict[str, pd.DataFrame]:
    """The summary of one explainer by stage, by similarity; empty if it never ran."""
    summary = results.summary
    rows = summary[(summary["check"] == check) & (summary["explainer"] == explainer)]
    if not (rows["stage"] > 0).any():
        return {}
    groups = rows.groupby("similarity", sort=False, observed=True)
    return {str(name): group.set_index("stage").sort_index() for name, group in groups}


def verdict_rows(results: Results, check: str) -> list[Row]:
    """The verdict table of one check, in the order of the run: it is no ranking."""
    verdicts = results.verdicts[results.verdicts["check"] == check]
    areas = results.summary[results.summary["stage"] == AREA]
    area = areas[areas["check"] == check].set_index(["explainer", "similarity"])
    names, known = similarities(results, check), controls(results)
    return [_row(verdict, area, names, known) for _, verdict in verdicts.iterrows()]


def side_by_side(results: Results) -> dict[str, tuple[Row | None, ...]]:
    """By explainer, controls last: its row under every check that ran."""
    known = controls(results)
    found = [{row.explainer: row for row in verdict_rows(results, c)} for c in ran(results)]
    names = sorted(dict.fromkeys(name for rows in found for name in rows), key=known.__contains__)
    return {name: tuple(rows.get(name) for rows in found) for name in names}


def reasons(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The sentences behind these verdicts, each with the explainers it holds for."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            found.setdefault(row.reason, []).append(row.explainer)
    return found


def _row(verdict: pd.Series, area: pd.DataFrame, names: list[str], known: set[str]) -> Row:
    primary, overall = str(verdict["similarity"]), str(verdict["verdict"])
    own = {name: (verdict["explainer"], name) for name in names}
    found = {name: area.loc[key] for name, key in own.items() if key in area.index}
    judged = {name: str(row["verdict"]) for name, row in found.items() if given(row["verdict"])}
    disagreeing = {name for name, its in judged.items() if its != overall}
    others = tuple(
        number(found[name]["retained"])
        + ("*" if name == primary else "")
        + ("!" if name in disagreeing else "")
        if name in found
        else "-"
        for name in names
    )
    return Row(
        explainer=str(verdict["explainer"]),
        verdict=overall.replace("_", " ") or "none",
        control=str(verdict["explainer"]) in known,
        expected=str(verdict["control"]) if given(verdict["control"]) else "",
        ok=bool(verdict["ok"]),
        retained=interval(verdict["retained"], verdict["retained_low"], verdict["retained_high"]),
        others=others,
        reason=str(verdict["reason"]) if given(verdict["reason"]) else "",
        disagrees=bool(disagreeing),
    )


def given(value: object) -> bool:
    """Whether a cell of a table is filled."""
    # An empty cell is "" in memory and NaN once it has been through a csv file.
    return not pd.isna(value) and value != ""  # type: ignore[call-overload]


def _names(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))
