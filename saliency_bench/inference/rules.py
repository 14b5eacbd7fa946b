"""The rules that turn a case into a verdict, in the order in which they are asked.

Each rule answers with a verdict and its reason, or None to leave the case to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from saliency_bench.inference.evidence import Case
from saliency_bench.inference.intervals import Interval, mean_interval
from saliency_bench.inference.pairs import (
    DIED,
    MIN_DRAWS,
    OK,
    SCORED,
    Blank,
    Counted,
    Died,
)

MIN_IMAGES = 5
"""An image and its four partners: fewer images have no null."""
MIN_DEFINED = 1 / 3
"""Share of the pairs that must have a score."""
MARGIN = 0.1
"""Similarities closer than this are taken for the same."""
MIN_REPEATABILITY = 0.3
"""How far a map must agree with its own repetition beyond the null."""
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


def _no_rule(case: Case) -> Verdict | None:
    return Verdict(
        "", f"descriptive: no verdict rule for maps that must {case.expectation.expects}"
    )


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
    what = "networks of a kind" if case.twins else "draws"
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


def _able_when_redrawn(case: Case) -> Verdict | None:
    if case.chance is None:
        return None
    # Only depth 1 is a full redraw; checks that change targets or inputs have none.
    full = case.networks[case.networks["depth"] >= 1]
    found = mean_interval(full.groupby("draw")["accuracy"].mean().dropna().to_numpy())
    if not found.low > case.chance:
        return None
    what = "network trained on random labels" if case.twins else "fully redrawn network"
    return Verdict(
        "undefined",
        f"a {what} is not at chance: accuracy {_numbers(found)} against {case.chance:.2f}",
    )


def _few_defined(case: Case) -> Verdict | None:
    if case.judged.share("ok") >= MIN_DEFINED:
        return None
    shares = (f"{case.judged.share(status):.0%} {status}" for status in SCORED)
    return Verdict("undefined", f"too few pairs have a score: {', '.join(shares)}")


def _few_twins(case: Case) -> Verdict | None:
    """A network whose maps are all blank is nobody's twin."""
    networks = case.reported.n_draws
    if not case.twins or networks >= MIN_DRAWS:
        return None
    return Verdict(
        "inconclusive",
        f"a verdict needs {MIN_DRAWS} networks of a kind whose maps say something, this run has "
        f"{networks}",
    )


def _no_null(case: Case) -> Verdict | None:
    images = case.judged.n_images
    if images >= MIN_IMAGES and np.isfinite(_null(case)):
        return None
    return Verdict("undefined", f"no null: it takes {MIN_IMAGES} images, this run has {images}")


def _no_room(case: Case) -> Verdict | None:
    if case.reported.room.value >= MARGIN and (case.agreement is None or _agreed(case.agreement)):
        return None
    # Against itself the ceiling is 1. Twins can disagree altogether: then a score near their
    # ceiling is no sign of invariance, so closeness to 1 is asked of both.
    if case.reported.similarity.value > 1 - MARGIN:
        return Verdict("fail", f"the maps are invariant to everything: {_levels(case)}")
    if case.agreement is not None:
        return Verdict(
            "undefined",
            f"the maps of networks trained alike do not agree: {_levels(case)}; beyond their own "
            f"null twins agree by {_numbers(case.agreement)}",
        )
    return Verdict(
        "undefined", f"unchanged maps agree no better than unrelated ones: {_levels(case)}"
    )


def _agreed(agreement: Interval) -> bool:
    """Whether twins agree beyond doubt: they are few, and else no map has anything to lose."""
    return bool(agreement.value >= MARGIN and agreement.low > 0)


def _irreproducible(case: Case) -> Verdict | None:
    repeats = case.repeats
    weights = repeats.weights
    if not weights.size:
        return None
    # Noise is keyed by the image, so here images are independent and draws are not needed.
    margin = repeats.score - repeats.null
    found = mean_interval((weights * margin).sum((0, 1)) / weights.sum((0, 1)))
    if found.low >= MIN_REPEATABILITY:
        return None
    why = "irreproducible"
    if repeats.similarity.value > 1 - EXACT:
        null = repeats.mean(repeats.null)
        why = f"maps of different images agree too much to tell: null {null:.2f}"
    return Verdict(
        "undefined",
        f"{why}; under another seed of its own a map agrees with itself beyond the null "
        f"by {_numbers(found)}, less than {MIN_REPEATABILITY}",
    )


_GIVEN: tuple[Rule, ...] = (_failed, _descriptive, _no_threshold, _no_sign, _guarded)
_ALWAYS: tuple[Rule, ...] = (*_GIVEN, _few_draws, _weak_network)
_ORDER: dict[str, tuple[Rule, ...]] = {
    # A map that is the same for every image repeats and has no room: so room is asked first.
    "change": (
        *_ALWAYS,
        _able_when_redrawn,
        _few_defined,
        _few_twins,
        _no_null,
        _no_room,
        _irreproducible,
    ),
    # Here the score itself is judged, against 1: the null does not enter.
    "keep": (*_ALWAYS, _few_defined),
    "rise": (_failed, _descriptive, _no_rule),
}


# ---------------------------------------------------------------- which one?


def _against_threshold(case: Case) -> Verdict:
    """Pass, fail or inconclusive, if it does not hang on how the undefined pairs count."""
    found, line, below, above = _scale(case, case.reported)
    verdicts = {_side(*_scale(case, variant)) for variant in _variants(case)}
    if len(verdicts) > 1:
        return Verdict(
            "undefined",
            f"the verdict hangs on how the {1 - case.judged.share('ok'):.0%} of pairs without a "
            f"score count: {' or '.join(sorted(verdicts))}",
            measured=True,
        )
    where = {below: "lies below", above: "lies above"}
    verdict = verdicts.pop()
    what = "networks of a kind" if case.twins else "draws"
    size = f"{case.judged.n_draws} {what}, {case.judged.n_images} images"
    side = where.get(verdict, "does not clear")
    told = f"{case.statistic} {_numbers(found)} {side} the threshold {line:.2f} ({size})"
    return Verdict(verdict, f"{told}: {_levels(case)}" if case.twins else told, measured=True)


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
    if (kind <= OK).all():
        return
    deaths: tuple[Died, ...] = ("null", "out")
    blanks: tuple[Blank, ...] = ("null", "ceiling")
    for died in deaths if (kind == DIED).any() else deaths[:1]:
        for blank in blanks if (kind > DIED).any() else blanks[:1]:
            yield case.counted(case.judged, died=died, blank=blank)


def _null(case: Case) -> float:
    return case.reported.mean(case.reported.null)


def _levels(case: Case) -> str:
    """Where the mean score lies."""
    reported = case.reported
    score = float(reported.similarity.value)
    null, ceiling = _null(case), reported.mean(reported.ceiling)
    if case.twins:
        return f"true against random {score:.2f}, null {null:.2f}, twins {ceiling:.2f}"
    return f"score {score:.2f}, null {null:.2f}, ceiling {ceiling:.2f}"


def _numbers(found: Interval) -> str:
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
