"""The two tables that follow from the evidence of a run: the summary and the verdicts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

import numpy as np
import pandas as pd

from saliency_bench.inference.evidence import Case, Evidence, cases
from saliency_bench.inference.intervals import UNKNOWN, UPPER, Components, components, linearised
from saliency_bench.inference.pairs import MIN_DRAWS, Counted, Pairs
from saliency_bench.inference.rules import MARGIN, SIGNED, decide
from saliency_bench.inference.trends import trend
from saliency_bench.protocols import AREA, FAILURES, SCHEMA_VERSION
from saliency_bench.storage.longtable import KEYS, Key, LongTable

SUMMARY = (
    *("schema_version", "check", "explainer", "similarity", "stage", "n_images", "n_draws"),
    *("undefined", "mean", "low", "high", "null", "ceiling", "floor", "repeatability"),
    *("retained", "retained_low", "retained_high", "verdict"),
)
VERDICTS = (
    *("check", "explainer", "verdict", "similarity", "retained", "retained_low", "retained_high"),
    *("reason", "control", "ok"),
)
_SENSE = {SIGNED: "sign", "spearman_abs": "magnitude"}

Row = dict[str, Any]
Floors = Mapping[Key, Mapping[int, float]]


# ---------------------------------------------------------------- the summary


def summarize(evidence: Evidence) -> pd.DataFrame:
    """One row per (check, explainer, similarity, stage), and one per area.

    In each row `retained = (mean - null) / (ceiling - null)`; it is NaN where a check decides on
    another number, or on the score itself, which is the mean of the row of the verdict. Undefined
    pairs count by one rule everywhere: a map that died counts as the null, except among twins,
    where no map is the changed one and the pair is left out; pairs with a constant reference or NaN
    are left out.

    The trend of a check has a row in the place of a similarity: its null is 0 and its ceiling 1,
    and it has no interval.

    Returns:
        Columns `SUMMARY`. `stage = -1` is the area over the stages from 1 on (the last one alone
        if the check's statistic is "last") and has the verdict. The floor of a stage compares two
        draws of that stage. The floor of the area is that of the full redraw, as two draws share
        layers at the other stages.
    """
    floors = _floors(evidence.floors)
    rows: list[Row] = []
    trends: list[Row] = []
    for case in cases(evidence, evidence.scores.keys):  # one at a time: pairs can be many
        rows += _rows(case, floors)
        trends += _trend_rows(case)
    return pd.DataFrame([*rows, *trends], columns=list(SUMMARY))


def _rows(case: Case, floors: Floors) -> Iterator[Row]:
    by_stage = floors.get(case.key, {})
    shared = {
        "schema_version": SCHEMA_VERSION,
        **dict(zip(KEYS, case.key, strict=True)),
        "repeatability": float(case.repeats.similarity.value),
    }
    for stage in () if case.failure else case.pairs.stages:
        pairs = case.pairs.take(case.pairs.stages == stage)
        floor = by_stage.get(int(stage), np.nan)
        numbers = _numbers(case, pairs, case.counted(pairs))
        yield {**shared, **numbers, "stage": int(stage), "floor": floor, "verdict": ""}
    (floor,) = [by_stage.get(int(stage), np.nan) for stage in case.destroyed.stages] or [np.nan]
    yield {
        **shared,
        **_numbers(case, case.judged, case.reported),
        **_decided(case),
        "stage": AREA,
        "floor": floor,
        "verdict": decide(case).verdict,
    }


def _trend_rows(case: Case) -> Iterator[Row]:
    """A row for the trend of a check, if it has one and it is of this similarity."""
    found, own = trend(case), case.expectation.trend
    if found is None or own is None:
        return
    check, explainer, _ = case.key
    yield {
        **dict.fromkeys(SUMMARY, np.nan),
        **dict.fromkeys(("mean", "retained"), found),
        **dict(zip(KEYS, (check, explainer, own.name), strict=True)),
        "schema_version": SCHEMA_VERSION,
        "stage": AREA,
        "n_images": case.pairs.n_images,
        "n_draws": case.pairs.n_draws,
        "undefined": 0.0,
        "null": 0.0,
        "ceiling": 1.0,
        "verdict": "",
    }


def _decided(case: Case) -> Row:
    """What differs in the row of the verdict if the check decides on another number."""
    if not case.expectation.is_scored:
        return {}
    nothing = ["retained", "retained_low", "retained_high"]
    if case.statistic == "order":  # a correlation has neither null nor ceiling in similarity
        nothing += ["null", "ceiling"]
    numbers = zip(("mean", "low", "high"), map(float, case.number), strict=True)
    return dict.fromkeys(nothing, np.nan) | dict(numbers)


def _numbers(case: Case, pairs: Pairs, counted: Counted) -> Row:
    similarity, retained = counted.similarity, counted.retained
    if case.statistic == "similarity":
        retained = UNKNOWN  # the score itself is judged, not where it lies from null to ceiling
    return {
        "n_images": pairs.n_images,
        "n_draws": pairs.n_draws,
        "undefined": 1 - pairs.share("ok"),
        "mean": float(similarity.value),
        "low": float(similarity.low),
        "high": float(similarity.high),
        "null": counted.mean(counted.null),
        "ceiling": counted.mean(counted.ceiling),
        "retained": float(retained.value),
        "retained_low": float(retained.low),
        "retained_high": float(retained.high),
    }


def _floors(table: LongTable) -> Floors:
    """Mean floor by key and stage."""
    floors: dict[Key, Mapping[int, float]] = {}
    for key in table.keys:
        means = table.rows(key).groupby("stage")["floor"].mean().dropna()
        floors[key] = dict(zip(means.index.tolist(), means.tolist(), strict=True))
    return floors


def _records(table: pd.DataFrame) -> list[Row]:
    return cast("list[Row]", table.to_dict("records"))


# ---------------------------------------------------------------- the verdicts


def judge(evidence: Evidence, summary: pd.DataFrame) -> pd.DataFrame:
    """The overall verdict of every explainer under every check, with the sentence behind it.

    It is the verdict of the primary similarity: the signed rank correlation if the explainer is
    signed, else the absolute one; if that one did not run, the first one with a threshold.

    Returns:
        Columns `VERDICTS`, one row per (check, explainer). `control` is the expected verdict of a
        control, empty for all others; `ok` is whether it was given.
    """
    areas: dict[tuple[str, str], dict[str, Row]] = {}
    for row in _records(summary[summary["stage"] == AREA]):
        areas.setdefault((row["check"], row["explainer"]), {})[row["similarity"]] = row
    rows = [_verdict_row(evidence, *key, rows) for key, rows in areas.items()]
    return pd.DataFrame(rows, columns=list(VERDICTS))


def _verdict_row(evidence: Evidence, check: str, explainer: str, areas: Mapping[str, Row]) -> Row:
    """One row of the verdicts, from the area rows by similarity."""
    name = _primary(evidence, check, explainer, areas)
    if name == "none" and evidence.expectations[check].number is not None:
        name = next(iter(areas))  # its number stands in the tables, also without a verdict
    if name == "none":
        area: Row = {"verdict": ""}
        reason = "descriptive: no similarity that was run has a threshold"
    else:
        area = areas[name]
        (case,) = cases(evidence, [(check, explainer, name)])
        reason = decide(case).reason + _disagreement(evidence, areas, name)
    control = _control(evidence, check, explainer) if area["verdict"] else ""
    return {
        **area,
        **{"check": check, "explainer": explainer, "similarity": name, "reason": reason},
        **{"control": control, "ok": control in ("", area["verdict"])},
    }


def _primary(evidence: Evidence, check: str, explainer: str, areas: Mapping[str, Row]) -> str:
    decides = evidence.expectations[check].decides
    if decides in areas:
        return decides
    primary = SIGNED if evidence.signed[explainer] else "spearman_abs"
    with_threshold = [name for name, line in evidence.thresholds.items() if line is not None]
    # The signed correlation gives no verdict on a map without a sign, so it comes last.
    with_threshold.sort(key=SIGNED.__eq__)
    failures = [name for name, area in areas.items() if area["verdict"] in FAILURES]
    return next((name for name in (primary, *with_threshold, *failures) if name in areas), "none")


def _disagreement(evidence: Evidence, areas: Mapping[str, Row], primary: str) -> str:
    """The addition to a reason if similarities contradict the primary one, else empty."""
    verdict = areas[primary]["verdict"]
    opposite = {"pass": "fail", "fail": "pass"}.get(verdict)
    words = ""
    for name, area in areas.items():
        if area["verdict"] == opposite:
            words += f"; {_SENSE.get(primary, primary)}: {verdict}"
            words += f", {_SENSE.get(name, name)}: {opposite}"
            words += _shared(evidence, areas[name if opposite == "fail" else primary])
    return words


def _shared(evidence: Evidence, survivor: Row) -> str:
    """The addition to a reason if the input alone explains what survives, else empty."""
    check, explainer, name = (survivor[key] for key in KEYS)
    (case,) = cases(evidence, [(check, explainer, name)])
    destroyed, floor = case.counted(case.destroyed), survivor["floor"]
    above_null = floor - destroyed.mean(destroyed.null)
    if destroyed.mean(destroyed.score) - floor < MARGIN < above_null:
        sense = _SENSE.get(name, name)
        return f", and the {sense} is what two unrelated networks share: floor {floor:.2f}"
    return ""


def _control(evidence: Evidence, check: str, explainer: str) -> str:
    """The expected verdict of the explainer under this check; empty if there is none."""
    expectation = evidence.expectations[check]
    networks = evidence.networks[evidence.networks["check"] == check]
    ceiling_stage = expectation.ceiling.stage
    few = ceiling_stage is not None and (networks["stage"] == ceiling_stage).sum() < MIN_DRAWS
    if networks.empty or expectation.guards or few:  # nothing ran, or no verdict is possible
        return ""
    return expectation.controls.get(evidence.controls.get(explainer, ""), "")


def variance_components(evidence: Evidence, check: str) -> dict[str, Components]:
    """Variances of `retained` over draws and images, by explainer of a check.

    They are those of the explainer's primary similarity. Checks that decide on another number,
    controls, and explainers without at least
    two draws and two images, are left out.
    """
    variances: dict[str, Components] = {}
    for explainer in dict.fromkeys(key[1] for key in evidence.scores.keys if key[0] == check):
        areas = {k[2]: {"verdict": ""} for k in evidence.scores.keys if k[:2] == (check, explainer)}
        name = _primary(evidence, check, explainer, areas)
        if name == "none" or explainer in evidence.controls:
            continue
        (case,) = cases(evidence, [(check, explainer, name)])
        counted = case.reported
        if not case.expectation.is_scored and min(counted.score.shape[1:], default=0) > 1:
            score, ceiling = counted.score - counted.null, counted.ceiling - counted.null
            _, cells = linearised(score, ceiling, counted.weights)
            variances[explainer] = components(cells)
    return variances


def problems(verdicts: pd.DataFrame) -> tuple[str, ...]:
    """Why the run is not valid: a line per cause, with the controls that got another verdict."""
    wrong = verdicts[~verdicts["ok"].astype(bool)]
    causes = wrong.groupby(["check", "verdict", "reason"], sort=False, dropna=False)
    return tuple(
        f"{check}: {_due(rows)}, got {verdict} ({reason})"
        for (check, verdict, reason), rows in causes
    )


def _due(rows: pd.DataFrame) -> str:
    """The verdicts that controls must get."""
    names = rows.groupby("control", sort=False)["explainer"].agg(list)
    several = "s" * (len(rows) > 1)
    due = (f"{', '.join(map(str, own))} must be {control}" for control, own in names.items())
    return f"control{several} {' and '.join(due)}"


def false_verdicts(verdicts: pd.DataFrame, controls: Collection[str]) -> str:
    """A sentence on the most false verdicts to expect for this number of explainers and checks.

    The similarities of an explainer are correlated, and only one of them decides. Controls do not
    count as decisions.
    """
    decisions = verdicts[
        verdicts["verdict"].isin(("pass", "fail", "inconclusive"))
        & ~verdicts["explainer"].isin(controls)
    ]
    explainers, checks = (decisions[name].nunique() for name in ("explainer", "check"))
    rate = 1 - UPPER
    return (
        f"{len(decisions)} decisions (explainers: {explainers}, checks: {checks}; controls do not "
        "count, and one similarity decides for each explainer), each false with a probability of "
        f"nominally at most {rate:.1%} (more at 3 draws, and where draws are skewed): at most "
        f"about {rate * len(decisions):.1f} false verdicts are to be expected."
    )
