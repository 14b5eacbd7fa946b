"""The rules that turn a case into a verdict, in the order in which they are asked.

Each rule answers with a verdict and its reason, or None to leave the case to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from saliency_bench.inference.evidence import Case
from saliency_bench.inference.intervals import Interval, mean_interval, ratio_interval
from saliency_bench.inference.pairs import MIN_DRAWS, Counted, Died, NotFinite
from saliency_bench.protocols import DIED, NAN, STATUSES

MIN_IMAGES = 5
"""An image and its four partners: fewer images have no null."""
MOST_CONSTANT = 1 / 2
"""Share of the pairs whose reference may be constant."""
MIN_DEFINED = 1 / 3
"""Share of the other pairs that must have a score."""
MARGIN = 0.1
"""Similarities closer than this are taken for the same."""
MIN_REPEATABILITY = 0.3
"""How much of the room above the null a map must keep when only its own noise changes."""
TOLERANCE = 0.1
"""How much similarity may be lost where maps must keep."""
EXACT = 1e-6
"""A map that agrees with its own repetition this closely is deterministic."""
SIGNIFICANCE = 0.05
"""Of the one-sided binomial test that a network beats chance."""
SIGNED = "spearman_signed"
"""The similarity that judges the sign of a map."""


class Verdict(NamedTuple):
    """A verdict ("" if none is given) and one sentence why.

    Attributes:
        verdict: one word.
        reason: one sentence.
        measured: whether what is retained was measured, and stands against the threshold; an
            undefined verdict is so if it only hangs on how the pairs without a score count.
    """

    verdict: str
    reason: str
    measured: bool = False


Rule = Callable[[Case], Verdict | None]


def decide(case: Case) -> Verdict:
    """The verdict of one (check, explainer, similarity)."""
    for rule in _ORDER[case.expectation.expects]:
        verdict = rule(case)
        if verdict is not None:
            return verdict
    return _against_threshold(case)


# ---------------------------------------------------------------- may a verdict be given?


def _failed(case: Case) -> Verdict | None:
    return Verdict(case.failure[0], ": ".join(map(str, case.failure))) if case.failure else None


def _descriptive(case: Case) -> Verdict | None:
    why = case.expectation.no_verdict
    return Verdict("", f"descriptive: {why}") if why else None


def _guarded(case: Case) -> Verdict | None:
    guards = case.expectation.guards
    return Verdict("undefined", "; ".join(guards)) if guards else None


def _no_threshold(case: Case) -> Verdict | None:
    if case.threshold is None:
        return Verdict("", f"descriptive: {case.key[2]} has no threshold")
    return None


def _no_sign(case: Case) -> Verdict | None:
    # There the signed correlation is the absolute one under another name: one decision, not two.
    if case.key[2] == SIGNED and not case.signed:
        return Verdict("", "descriptive: the map has no sign")
    return None


def _few_draws(case: Case) -> Verdict | None:
    draws = case.judged.n_draws
    if draws >= MIN_DRAWS:
        return None
    what = case.expectation.words.draws
    return Verdict("inconclusive", f"a verdict needs {MIN_DRAWS} {what}, this run has {draws}")


def _weak_network(case: Case) -> Verdict | None:
    networks = case.networks
    accuracy = networks.loc[networks["stage"] == 0, "accuracy"].mean()
    if case.chance is None or np.isnan(accuracy):
        return None
    images = case.pairs.n_images
    right = round(accuracy * images)
    p = stats.binom.sf(right - 1, images, case.chance)
    if p < SIGNIFICANCE:
        return None
    return Verdict(
        "undefined",
        f"the network is right on {right} of {images} images, which is not better than chance "
        f"({case.chance:.2f}; p = {p:.2f})",
    )


def _able_when_destroyed(case: Case) -> Verdict | None:
    if case.chance is None:
        return None
    destroyed = case.networks[case.networks["destroyed"].astype(bool)]
    found = mean_interval(destroyed.groupby("draw")["accuracy"].mean().dropna().to_numpy())
    if not found.low > case.chance:
        return None
    return Verdict(
        "undefined",
        f"a {case.expectation.words.destroyed} is not at chance: accuracy {_numbers(found)} "
        f"against {case.chance:.2f}",
    )


def _few_defined(case: Case) -> Verdict | None:
    constant, ok = (case.judged.share(status) for status in ("constant_reference", "ok"))
    if constant <= MOST_CONSTANT and ok >= MIN_DEFINED * (1 - constant):
        return None
    shares = (f"{case.judged.share(status):.0%} {status}" for status in STATUSES)
    return Verdict("undefined", f"too few pairs have a score: {', '.join(shares)}")


def _few_alive(case: Case) -> Verdict | None:
    """A draw whose maps are all constant adds nothing."""
    draws = case.reported.n_draws
    if draws >= MIN_DRAWS:
        return None
    return Verdict(
        "inconclusive",
        f"a verdict needs {MIN_DRAWS} {case.expectation.words.draws} whose maps are not constant, "
        f"this run has {draws}",
    )


def _no_null(case: Case) -> Verdict | None:
    images = case.judged.n_images
    if images >= MIN_IMAGES and np.isfinite(_null(case)):
        return None
    return Verdict("undefined", f"no null: it takes {MIN_IMAGES} images, this run has {images}")


def _no_room(case: Case) -> Verdict | None:
    room = case.reported.room
    if room.low >= MARGIN:
        return None
    # Networks trained alike can disagree altogether: then a score near the ceiling is no sign of
    # invariance, so closeness to 1 is asked whatever the ceiling.
    if case.reported.similarity.low > 1 - MARGIN:
        return Verdict("fail", f"the maps are invariant to everything: {_levels(case)}")
    return Verdict(
        "undefined",
        f"{case.expectation.ceiling.name} and null lie too close together to tell: "
        f"{_levels(case)}; room {_numbers(room)}, its lower end must be at least {MARGIN}",
    )


def _irreproducible(case: Case) -> Verdict | None:
    """Asked of maps that do not repeat: of one that does, the rule of room asks enough."""
    repeats = case.repeats
    weights = repeats.weights
    if not weights.size or repeats.similarity.value >= 1 - EXACT:
        return None
    # Noise is keyed by the image, so here images are independent and draws are not needed.
    score, null = (
        (weights * values).sum((0, 1)) / weights.sum((0, 1))
        for values in (repeats.score, repeats.null)
    )
    found = ratio_interval(score - null, 1 - null)
    if found.low >= MIN_REPEATABILITY:
        return None
    return Verdict(
        "undefined",
        f"irreproducible: under another seed of its own a map keeps {_numbers(found)} of the room "
        f"between the null ({repeats.mean(repeats.null):.2f}) and 1; the lower end must be at "
        f"least {MIN_REPEATABILITY}",
    )


_GIVEN: tuple[Rule, ...] = (_failed, _descriptive, _no_threshold, _no_sign, _guarded)
_ALWAYS: tuple[Rule, ...] = (*_GIVEN, _few_draws, _weak_network)
_ORDER: dict[str, tuple[Rule, ...]] = {
    # A map that is the same for every image repeats and has no room: so room is asked first.
    "change": (
        *_ALWAYS,
        _able_when_destroyed,
        _few_defined,
        _few_alive,
        _no_null,
        _no_room,
        _irreproducible,
    ),
    # Here the score itself is judged, against 1: the null does not enter.
    "keep": (*_ALWAYS, _few_defined),
}


# ---------------------------------------------------------------- which one?


def _against_threshold(case: Case) -> Verdict:
    """Pass, fail or inconclusive; undefined if how the undefined pairs count turns one round."""
    found, line, below, above = _scale(case, case.reported)
    verdicts = {_side(*_scale(case, variant)) for variant in _variants(case)}
    if {"pass", "fail"} <= verdicts:
        return Verdict(
            "undefined",
            f"the verdict hangs on how the {1 - case.judged.share('ok'):.0%} of pairs without a "
            f"score count: {' or '.join(sorted(verdicts))}",
            measured=True,
        )
    where = {below: "lies below", above: "lies above"}
    # Where one way to count decides and another does not, nothing is decided.
    verdict = "inconclusive" if len(verdicts) > 1 else verdicts.pop()
    size = f"{case.judged.n_draws} {case.expectation.words.draws}, {case.judged.n_images} images"
    side = where.get(verdict, "does not clear")
    told = f"{case.statistic} {_numbers(found)} {side} the threshold {line:.2f} ({size})"
    if case.expectation.ceiling.stage is not None:
        told += f": {_levels(case)}"
    return Verdict(verdict, told, measured=True)


def _scale(case: Case, counted: Counted) -> tuple[Interval, float, str, str]:
    """What is judged, its threshold, and the verdicts below and above that."""
    if case.statistic == "similarity":
        return counted.similarity, 1 - TOLERANCE, "fail", "pass"
    if case.threshold is None:
        raise ValueError(f"a verdict needs a threshold, got None for {case.key[2]}")
    return counted.retained, case.threshold, "pass", "fail"


def _side(found: Interval, line: float, below: str, above: str) -> str:
    if found.high < line:
        return below
    return above if found.low > line else "inconclusive"


def _variants(case: Case) -> Iterator[Counted]:
    """The reported way to count the undefined pairs, and every other that could be defended."""
    yield case.reported
    kind = case.judged.kind
    if not np.isin(kind, (DIED, NAN)).any():
        return
    deaths: tuple[Died, ...] = ("null", "out")
    extremes: tuple[NotFinite, ...] = ("null", "ceiling")
    for died in deaths if (kind == DIED).any() else deaths[:1]:
        for nan in extremes if (kind == NAN).any() else extremes[:1]:
            yield case.counted(case.judged, died=died, nan=nan)


def _null(case: Case) -> float:
    return case.reported.mean(case.reported.null)


def _levels(case: Case) -> str:
    """Where the mean score lies."""
    reported = case.reported
    score = float(reported.similarity.value)
    null, ceiling = _null(case), reported.mean(reported.ceiling)
    return f"score {score:.2f}, null {null:.2f}, {case.expectation.ceiling.name} {ceiling:.2f}"


def _numbers(found: Interval) -> str:
    # Adding 0 takes the sign from a zero.
    value, low, high = (round(float(number), 2) + 0 for number in found)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
