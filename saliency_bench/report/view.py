"""What tables and figures read from a run: names in a fixed order, numbers as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from saliency_bench.protocols import AREA, Expectation
from saliency_bench.report import scale
from saliency_bench.report.kept import kept
from saliency_bench.results import Results

_INTERVAL = ["value", "low", "high"]
_NOTHING = [np.nan] * 3


@dataclass(frozen=True)
class Row:
    """One line of the verdict table, as text.

    Attributes:
        explainer: its name.
        verdict: with spaces, e.g. "not applicable".
        control: whether the explainer is a control, and so not under test.
        expected: the verdict a control must get; empty if this check expects none.
        ok: whether a control got the expected verdict.
        retained: the share that decides the verdict, or the check's own number, with its interval.
        value: the same as a number; `low` and `high` are its bounds.
        others: the same by every similarity; `*` marks the primary one, `!` one whose verdict
            differs from the primary one's.
        reason: the sentence behind the verdict.
        similarity: the primary one.
        disagrees: the other verdict of each similarity that has one.
    """

    explainer: str
    verdict: str
    control: bool
    expected: str
    ok: bool
    retained: str
    value: float
    low: float
    high: float
    others: tuple[str, ...]
    reason: str
    similarity: str
    disagrees: dict[str, str]

    @property
    def outcome(self) -> str:
        """The verdict and, for a control, whether it is the expected one."""
        return self.verdict + (", ok" if self.ok else ", WRONG") * bool(self.expected)


def number(value: float, digits: int = 2) -> str:
    """`value` with so many decimals; a dash if it is not finite."""
    # Adding 0 removes the sign of a zero.
    return f"{round(float(value), digits) + 0:.{digits}f}" if np.isfinite(value) else "-"


def interval(value: float, low: float, high: float, *, digits: int = 2) -> str:
    """`value [low, high]`, without the bounds if there are none.

    Args:
        value: the estimate.
        low: the lower bound; NaN if there is none.
        high: the upper bound; NaN if there is none.
        digits: decimals.
    """
    middle, *ends = (number(part, digits) for part in (value, low, high))
    return f"{middle} [{', '.join(ends)}]" if np.isfinite([low, high]).all() else middle


def checks(results: Results) -> list[str]:
    """All checks of the run, in its order."""
    return _names([*results.verdicts["check"], *refused(results)])


def refused(results: Results) -> dict[str, str]:
    """The reason for each check that could not run at all."""
    return dict(results.provenance.get("checks_not_applicable", {}))


def ran(results: Results) -> list[str]:
    """The checks that could run, in the order of the run."""
    return [check for check in checks(results) if check not in refused(results)]


@kept
def expectation(results: Results, check: str) -> Expectation:
    """What a check declares about itself.

    Raises:
        KeyError: if the run lacks it because an older version wrote the run.
    """
    return Expectation.read(results.provenance["expectations"][check])


def deciding(results: Results, check: str) -> list[str]:
    """The columns of the summary with the number that decides under a check, and its interval."""
    scored = expectation(results, check).is_scored
    return ["mean", "low", "high"] if scored else ["retained", "retained_low", "retained_high"]


def heading(results: Results, *checks: str) -> str:
    """The name of the number that decides under these checks."""
    return " or ".join(dict.fromkeys(expectation(results, check).judged for check in checks))


def has_share(expectation: Expectation) -> bool:
    """Whether scores stand for a share that is retained, and are not judged themselves."""
    return not expectation.is_scored or expectation.statistic == "order"


def is_a_number(results: Results, check: str) -> bool:
    """Whether a check gives a number of its own, and no verdict."""
    own = expectation(results, check)
    return own.number is not None and bool(own.no_verdict)


def later_stages(results: Results, check: str) -> dict[int, str]:
    """The name of every stage but that of the untouched network."""
    return {stage: name for stage, name in stage_names(results, check).items() if stage > 0}


def ceiling_stage(results: Results, check: str) -> int | None:
    """The stage that measures a check's ceilings; None if the ceilings are 1."""
    return expectation(results, check).ceiling.stage


def chance(results: Results) -> float | None:
    """Accuracy of guessing on the explained images; None if it is unknown."""
    accuracy = results.provenance.get("chance")
    return accuracy if accuracy is not None and np.isfinite(accuracy) else None


def test_chance(results: Results) -> float | None:
    """Accuracy of guessing on the images that trained networks were tested on; None if unknown."""
    accuracy = results.provenance.get("tested", {}).get("chance")
    return None if accuracy is None else float(accuracy)


def levels(results: Results, check: str) -> dict[int, float]:
    """The depth of every stage after the one that measures the ceilings, else after stage 0."""
    networks = results.networks
    ceiling = ceiling_stage(results, check) or 0
    later = networks[(networks["check"] == check) & (networks["stage"] > ceiling)]
    first = later.drop_duplicates("stage").sort_values("stage")
    return {int(s): float(d) for s, d in zip(first["stage"], first["depth"], strict=True)}


@kept
def summary(results: Results, check: str) -> pd.DataFrame:
    """The summary of a check, whose intervals end where its numbers do."""
    rows = results.summary[results.summary["check"] == check]
    return scale.bounded(expectation(results, check), rows)


@kept
def similarities(results: Results, check: str) -> list[str]:
    """The similarities that scored this check, in the run's order."""
    return _names(results.summary.loc[results.summary["check"] == check, "similarity"])


def signed(results: Results, explainer: str) -> bool:
    """Whether the sign of an explainer's maps means something; an old run may not know."""
    return bool(results.provenance.get("signed", {}).get(explainer, True))


@kept
def controls(results: Results) -> set[str]:
    """The controls: explainers whose verdict is known in advance, under any check."""
    has_expected = results.verdicts["control"].map(given)
    names = results.provenance.get("controls", ())
    return set(_names(results.verdicts.loc[has_expected, "explainer"])) | set(names)


def controls_by_kind(results: Results) -> dict[str, str]:
    """The name of each control, by that of its class."""
    return {str(kind): name for name, kind in results.provenance.get("controls", {}).items()}


@kept
def stage_names(results: Results, check: str) -> dict[int, str]:
    """The name of every stage of this check; 0 is the untouched network."""
    networks, stages = results.networks, summary(results, check)["stage"].unique()
    stages = np.sort(stages[stages > 0])
    first = networks[networks["check"] == check].drop_duplicates("stage")
    conditions = dict(zip(first["stage"], first["condition"].astype(str), strict=True))
    untouched = expectation(results, check).words.untouched
    return {0: untouched} | {
        int(stage): conditions.get(stage, f"stage {stage}") for stage in stages
    }


def curves(results: Results, check: str, similarity: str) -> dict[str, pd.DataFrame]:
    """The summary of each explainer by stage, controls last; without those that never ran."""
    own = summary(results, check)
    rows = own[own["similarity"] == similarity]
    ran = _names(rows.loc[rows["stage"] > 0, "explainer"])
    control_names = controls(results)
    return {
        name: rows[rows["explainer"] == name].set_index("stage").sort_index()
        for name in sorted(ran, key=control_names.__contains__)
    }


def curves_of(results: Results, check: str, explainer: str) -> dict[str, pd.DataFrame]:
    """The summary of one explainer by similarity with stages; empty if it never ran."""
    own = summary(results, check)
    rows = own[own["explainer"] == explainer]
    groups = rows.groupby("similarity", sort=False, observed=True)
    return {
        str(name): group.set_index("stage").sort_index()
        for name, group in groups
        if (group["stage"] > 0).any()
    }


@kept
def verdict_rows(results: Results, check: str) -> list[Row]:
    """The verdict table of one check, in the order of the run, which is no ranking."""
    verdicts = results.verdicts[results.verdicts["check"] == check]
    own = summary(results, check)
    area = own[own["stage"] == AREA].set_index(["explainer", "similarity"])
    area = area[[*deciding(results, check), "verdict"]].set_axis([*_INTERVAL, "verdict"], axis=1)
    names, control_names = similarities(results, check), controls(results)
    decimals = expectation(results, check).digits
    return [_row(row, area, names, control_names, decimals) for _, row in verdicts.iterrows()]


def side_by_side(results: Results) -> dict[str, tuple[Row | None, ...]]:
    """The rows of each explainer under every check that ran; controls come last."""
    control_names = controls(results)
    tables = [{row.explainer: row for row in verdict_rows(results, c)} for c in ran(results)]
    names = sorted(
        dict.fromkeys(name for rows in tables for name in rows), key=control_names.__contains__
    )
    return {name: tuple(rows.get(name) for rows in tables) for name in names}


def reasons(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The reasons for these verdicts, each with the explainers that share it."""
    explainers: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            explainers.setdefault(row.reason, []).append(row.explainer)
    return explainers


def _row(
    verdict: pd.Series,
    area: pd.DataFrame,
    names: list[str],
    control_names: set[str],
    decimals: int,
) -> Row:
    primary, overall = str(verdict["similarity"]), str(verdict["verdict"])
    own = {name: (verdict["explainer"], name) for name in names}
    areas = {name: area.loc[key] for name, key in own.items() if key in area.index}
    verdicts = {name: str(row["verdict"]) for name, row in areas.items() if given(row["verdict"])}
    disagreeing = [name for name, its in verdicts.items() if its != overall]
    others = tuple(
        number(areas[name]["value"], decimals)
        + ("*" if name == primary else "")
        + ("!" if name in disagreeing else "")
        if name in areas
        else "-"
        for name in names
    )
    decided = [float(areas[primary][part]) for part in _INTERVAL] if primary in areas else _NOTHING
    return Row(
        explainer=str(verdict["explainer"]),
        verdict=overall.replace("_", " ") or "none",
        control=str(verdict["explainer"]) in control_names,
        expected=str(verdict["control"]) if given(verdict["control"]) else "",
        ok=bool(verdict["ok"]),
        retained=interval(*decided, digits=decimals),
        value=decided[0],
        low=decided[1],
        high=decided[2],
        others=others,
        reason=str(verdict["reason"]) if given(verdict["reason"]) else "",
        similarity=primary,
        disagrees={name: verdicts[name] for name in disagreeing},
    )


def given(value: object) -> bool:
    """Whether a cell of a table is filled."""
    # An empty cell is "" in memory and NaN once it has been through a csv file.
    return not pd.isna(value) and value != ""  # type: ignore[call-overload]


def _names(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))
