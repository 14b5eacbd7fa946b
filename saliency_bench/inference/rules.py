"""The rules that turn a case into a verdict, in their order.

Each rule returns a verdict and its reason, or None to leave the case to the next rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from saliency_bench.inference.evidence import Case
from saliency_bench.inference.intervals import Interval, mean_interval, ratio_interval
from saliency_bench.inference.orders import MIN_STAGES
from saliency_bench.inference.pairs import MIN_DRAWS, Counted, Died, NotFinite
from saliency_bench.protocols import DIED, NAN, STATUSES
from saliency_bench.protocols.labels import SIGNIFICANCE

MIN_IMAGES = 5
"""Fewest images for a null: an image and its four partners."""
MOST_CONSTANT = 1 / 2
"""Largest share of pairs with a constant reference."""
MIN_DEFINED = 1 / 3
"""Smallest share of the other pairs that must have a score."""
MARGIN = 0.1
"""Similarities closer than this count as equal."""
MIN_REPEATABILITY = 0.3
"""Share of the room above the null that a map must keep if only its own noise changes."""
EXACT = 1e-6
"""A map is deterministic if its repetition differs by no more than this."""
SIGNED = "spearman_signed"
"""The similarity that judges the sign of a map."""


class Verdict(NamedTuple):
    """A verdict, "" if none is given, and its reason.

    Attributes:
        verdict: one word.
        reason: one sentence.
        measured: whether the statistic was measured and compared with the threshold; also True
            for a verdict that is undefined only because pairs without a score decide it.
    """

    verdict: str
    reason: str
    measured: bool = False


Rule = Callable[[Case], Verdict | None]


def decide(case: Case) -> Verdict:
    """The verdict of one (check, explainer, similarity)."""
    for rule in _ORDER["keep" if case.expectation.expects == "keep" else case.statistic]:
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
    decides = case.expectation.decides
    if decides and case.key[2] != decides:
        return Verdict("", f"descriptive: the verdict is taken on {decides}")
    if case.threshold is None and not decides:
        return Verdict("", f"descriptive: {case.key[2]} has no threshold")
    return None


def _no_sign(case: Case) -> Verdict | None:
    # Without a sign the signed correlation equals the absolute one: one decision, not two.
    if case.key[2] == SIGNED and not case.signed:
        return Verdict("", "descriptive: the map has no sign")
    return None


def _few_draws(case: Case) -> Verdict | None:
    draws = case.judged.n_draws
    if draws >= MIN_DRAWS or case.expectation.fixed_draws:
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
        f"({case.chance:.2f}; p = {p:.2f}): check the units of the images, the order of its "
        "classes and the labels, or train it for more epochs",
    )


def _able_when_destroyed(case: Case) -> Verdict | None:
    if case.chance is None:
        return None
    destroyed = case.networks[case.networks["destroyed"].astype(bool)]
    accuracy = mean_interval(destroyed.groupby("draw")["accuracy"].mean().dropna().to_numpy())
    if not accuracy.low > case.chance:
        return None
    return Verdict(
        "undefined",
        f"a {case.expectation.words.destroyed} is not at chance: accuracy {_numbers(accuracy)} "
        f"against {case.chance:.2f}: explain more images, of more classes, or break more of it",
    )


def _few_defined(case: Case) -> Verdict | None:
    constant, ok = (case.judged.share(status) for status in ("constant_reference", "ok"))
    if constant <= MOST_CONSTANT and ok >= MIN_DEFINED * (1 - constant):
        return None
    shares = (f"{case.judged.share(status):.0%} {status}" for status in STATUSES)
    return Verdict("undefined", f"too few pairs have a score: {', '.join(shares)}")


def _few_alive(case: Case) -> Verdict | None:
    """A draw whose maps are all constant does not count."""
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
    # Networks trained alike can disagree completely. Then a score near the ceiling does not show
    # invariance, so the score must be close to 1 for any ceiling.
    if case.reported.similarity.low > 1 - MARGIN:
        return Verdict("fail", f"the maps are invariant to everything: {_levels(case)}")
    return Verdict(
        "undefined",
        f"{case.expectation.ceiling.name} and null lie too close together to tell: "
        f"{_levels(case)}; room {_numbers(room)}, its lower end must be at least {MARGIN}",
    )


def _irreproducible(case: Case) -> Verdict | None:
    """Applies to maps that do not repeat exactly; for the others `_no_room` is strict enough."""
    repeats = case.repeats
    weights = repeats.weights
    if not weights.size or repeats.similarity.value >= 1 - EXACT:
        return None
    # The key of the noise is the image, so images are independent here and draws do not matter.
    score, null = (
        (weights * values).sum((0, 1)) / weights.sum((0, 1))
        for values in (repeats.score, repeats.null)
    )
    repeatability = ratio_interval(score - null, 1 - null)
    if repeatability.low >= MIN_REPEATABILITY:
        return None
    return Verdict(
        "undefined",
        f"irreproducible: under another seed of its own a map keeps {_numbers(repeatability)} of "
        f"the room between the null ({repeats.mean(repeats.null):.2f}) and 1; the lower end must "
        f"be at least {MIN_REPEATABILITY}",
    )


def _no_order(case: Case) -> Verdict | None:
    if np.isfinite(case.number.value):
        return None
    return Verdict("undefined", f"no order: fewer than {MIN_STAGES} stages, or a constant output")


_GIVEN: tuple[Rule, ...] = (_failed, _descriptive, _no_threshold, _no_sign, _guarded)
_ALWAYS: tuple[Rule, ...] = (*_GIVEN, _few_draws, _weak_network)
_ORDER: dict[str, tuple[Rule, ...]] = {
    # A map that is equal for all images repeats and has no room, so the rule of room comes first.
    "retained": (
        *_ALWAYS,
        _able_when_destroyed,
        _few_defined,
        _few_alive,
        _no_null,
        _no_room,
        _irreproducible,
    ),
    # Here the score itself is judged, without a null.
    "similarity": (*_ALWAYS, _few_defined),
    "keep": (*_ALWAYS, _few_defined, _irreproducible),
    "order": (*_ALWAYS, _few_defined, _few_alive, _irreproducible, _no_order),
}


# ---------------------------------------------------------------- which one?


def _against_threshold(case: Case) -> Verdict:
    """Pass, fail or inconclusive; undefined if a rule for undefined pairs reverses the verdict."""
    estimate, line, below, above = _scale(case, case.reported)
    verdicts = {_side(*_scale(case, variant)) for variant in _variants(case)}
    if {"pass", "fail"} <= verdicts:
        return Verdict(
            "undefined",
            f"the verdict hangs on how the {1 - case.judged.share('ok'):.0%} of pairs without a "
            f"score count: {' or '.join(sorted(verdicts))}",
            measured=True,
        )
    where = {below: "lies below", above: "lies above"}
    # If one rule decides and another one does not, the verdict is inconclusive.
    verdict = "inconclusive" if len(verdicts) > 1 else verdicts.pop()
    size = f"{case.judged.n_draws} {case.expectation.words.draws}, {case.judged.n_images} images"
    side = where.get(verdict, "does not clear")
    judged, digits = case.expectation.judged, case.expectation.digits
    numbers = f"{_numbers(estimate, digits)} {side} the threshold {line:.{digits}f}"
    sentence = f"{judged} {numbers} ({size})"
    if case.expectation.ceiling.stage is not None:
        sentence += f": {_levels(case)}"
    return Verdict(verdict, sentence, measured=True)


def _scale(case: Case, counted: Counted) -> tuple[Interval, float, str, str]:
    """The statistic, its threshold, and the verdicts below and above the threshold."""
    below, above = ("pass", "fail") if case.worse > 0 else ("fail", "pass")
    estimate: Interval = getattr(counted, case.statistic)
    if case.expectation.number is None and case.statistic == "similarity":
        return estimate, 1 - case.expectation.tolerance, below, above
    if case.threshold is None:
        raise ValueError(f"a verdict needs a threshold, got None for {case.key[2]}")
    return estimate, case.threshold, below, above


def _side(estimate: Interval, line: float, below: str, above: str) -> str:
    if estimate.high < line:
        return below
    return above if estimate.low > line else "inconclusive"


def _variants(case: Case) -> Iterator[Counted]:
    """The reported rule for undefined pairs, and every other defensible one."""
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
    """The mean score, the null and the ceiling as text."""
    reported = case.reported
    score = float(reported.similarity.value)
    null, ceiling = _null(case), reported.mean(reported.ceiling)
    return f"score {score:.2f}, null {null:.2f}, {case.expectation.ceiling.name} {ceiling:.2f}"


def _numbers(estimate: Interval, digits: int = 2) -> str:
    # Adding 0 removes the sign of a zero.
    value, low, high = (round(float(number), digits) + 0 for number in estimate)
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
