"""The compared pairs of maps of one explainer, as arrays, and how undefined pairs count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench.inference.intervals import (
    Estimate,
    Interval,
    estimate,
    interval,
    linearised,
    pseudo_values,
)
from saliency_bench.inference.orders import order_of
from saliency_bench.protocols import CONSTANT, DIED, NAN, STATUSES, Floats, Ints

Died = Literal["null", "out"]
NotFinite = Literal["null", "ceiling", "out"]
Statistic = Literal["retained", "similarity", "order"]

MIN_DRAWS = 3
"""Fewest changed networks for a statement about changed networks in general."""
NEAREST = 1e-8
"""Smallest distance of a score from 1 that counts."""
ABSENT = -1
"""The kind of a pair without a comparison."""


@dataclass(frozen=True)
class Pairs:
    """The compared pairs of maps of one (check, explainer, similarity).

    Attributes:
        stages: `[L]` numbers of the stages.
        score: `[L, D, I]`, as are the others; NaN where unknown.
        null: similarity of unrelated maps of the same explainer.
        ceiling: similarity if nothing changed.
        kind: index into `STATUSES`, or `ABSENT`.
        shift: how far the network's output moved; None if it is not measured.
    """

    stages: Ints
    score: Floats
    null: Floats
    ceiling: Floats
    kind: NDArray[np.int8]
    shift: Floats | None = None

    def take(self, stages: NDArray[np.bool_]) -> Pairs:
        """The stages where the mask `[L]` is True."""
        return Pairs(
            self.stages[stages],
            self.score[stages],
            self.null[stages],
            self.ceiling[stages],
            self.kind[stages],
            None if self.shift is None else self.shift[stages],
        )

    @property
    def n_draws(self) -> int:
        """Draws with at least one pair."""
        return int((self.kind != ABSENT).any((0, 2)).sum())

    @property
    def n_images(self) -> int:
        """Images with at least one pair."""
        return int((self.kind != ABSENT).any((0, 1)).sum())

    def share(self, status: str) -> float:
        """Share of the pairs with this status; NaN without pairs."""
        present = np.count_nonzero(self.kind != ABSENT)
        matches = np.count_nonzero(self.kind == STATUSES.index(status))
        return matches / present if present else float("nan")


@dataclass(frozen=True)
class Counted:
    """Pairs after a rule for the undefined ones is applied.

    Attributes:
        score: `[L, D, I]` of the draws and images that count; 0 where a pair is left out.
        null: as `score`.
        ceiling: as `score`.
        weights: sum to 1; stages weigh the same, and so do the pairs that count within a stage.
        draws: which of all draws count.
        images: which of all images count.
        measured: `[L]` whether the score of a stage is a mean over networks trained alike, as
            every ceiling is; None if ceilings are not measured.
        fixed: whether the draws are given and not drawn.
        shift: as `score`; None if it is not measured.
        near: whether scores are averaged by the logarithm of their distance from 1.
    """

    score: Floats
    null: Floats
    ceiling: Floats
    weights: Floats
    draws: NDArray[np.bool_]
    images: NDArray[np.bool_]
    measured: NDArray[np.bool_] | None = None
    fixed: bool = False
    shift: Floats | None = None
    near: bool = False

    @cached_property
    def similarity(self) -> Interval:
        """The mean score; 1 minus the geometric mean of 1 - score if scores are `near`."""
        if not self.near:
            return self._interval(self._networks[0], np.ones(1))
        value, low, high = (1 - np.exp(part) for part in self._interval(self._logs, np.ones(1)))
        return Interval(value, high, low)

    @cached_property
    def retained(self) -> Interval:
        """`mean(score - null) / mean(ceiling - null)`.

        NaN if a measured ceiling may be no higher than the null: the interval of a ratio is
        unbounded if the interval of its denominator contains 0 (Fieller, 1954).
        """
        score, ceiling = self._networks
        ratio = self._interval(score - self.null, ceiling - self.null)
        if self.measured is not None and not self.room.low > 0:
            return Interval(*np.full((3, *np.shape(ratio.value)), np.nan))
        return ratio

    @cached_property
    def room(self) -> Interval:
        """`mean(ceiling - null)`: the most that can be retained."""
        return self._interval(self._networks[1] - self.null, np.ones(1))

    @cached_property
    def order(self) -> Interval:
        """The mean rank correlation over the stages of a map's change with the output's."""
        return interval(*self._orders, fixed=self.fixed)

    def moved_by(self, statistic: Statistic) -> tuple[Floats, Floats]:
        """The statistic, and the influence of each draw and image that counts.

        Returns:
            A number, which is NaN if there is no interval, and `[D, I]`.
        """
        result = getattr(self, statistic)
        if statistic == "order":
            known = np.where(np.isfinite(result.low), result.value, np.nan)
            return known, linearised(*self._orders)[1]
        score, ceiling = self._networks
        is_similarity = statistic == "similarity"
        room = np.ones_like(ceiling) if is_similarity else ceiling - self.null
        moved = score if is_similarity else score - self.null
        if is_similarity and self.near:  # the number is 1 - exp of the mean logarithm
            moved, room = -self._logs, room / (1 - result.value)
        _, cells = linearised(moved, room, self.weights)
        return np.where(np.isfinite(result.low), result.value, np.nan), cells

    @property
    def n_draws(self) -> int:
        """Draws with at least one pair that counts."""
        return int(self.score.shape[1])

    def mean(self, values: Floats) -> float:
        """Weighted mean of `values`; NaN if nothing counts."""
        return float(np.sum(self.weights * values)) if self.weights.size else float("nan")

    @property
    def _logs(self) -> Floats:
        """The logarithm of each score's distance from 1."""
        return np.asarray(np.log(np.maximum(1 - self._networks[0], NEAREST)))

    @cached_property
    def _orders(self) -> tuple[Floats, Floats, Floats]:
        """The rank correlation `[1, D, I]` of each draw and image, 1, and its weight."""
        shift = np.full_like(self.score, np.nan) if self.shift is None else self.shift
        found = order_of(1 - self.score, shift, self.weights > 0)[None]
        known = np.isfinite(found)
        return np.where(known, found, 0.0), np.ones(1), known / max(1, np.count_nonzero(known))

    @property
    def _networks(self) -> tuple[Floats, Floats]:
        """Score and ceiling with independent draws: pseudo-values where they are measured."""
        if self.measured is None or self._few:
            return self.score, self.ceiling
        ceiling = pseudo_values(self.ceiling, self.weights)
        score = pseudo_values(self.score, self.weights)
        return np.where(self.measured[:, None, None], score, self.score), ceiling

    @property
    def _few(self) -> bool:
        """Whether there are too few networks to estimate how much networks differ."""
        return self.n_draws < MIN_DRAWS

    def _interval(self, numerator: Floats, denominator: Floats) -> Interval:
        result = interval(numerator, denominator, self.weights, fixed=self.fixed)
        if self.measured is None or not self._few:
            return result
        return Interval(result.value, *np.full((2, *np.shape(result.value)), np.nan))


def count(
    pairs: Pairs,
    *,
    died: Died = "null",
    nan: NotFinite = "out",
    measured_at: int | None = None,
    fixed: bool = False,
    near: bool = False,
) -> Counted:
    """Apply a rule for undefined pairs; the defaults are the rule for reported numbers.

    A pair with a constant reference is left out, as no change of that map can be measured.

    Args:
        pairs: of one stage or of several.
        died: whether a map that vanished under the change counts as the null or is left out.
        nan: whether a pair that is not finite counts as the null, as the ceiling or is left out.
        measured_at: the stage that measures the ceilings; None if they are not measured.
        fixed: whether the draws are given and not drawn.
        near: see `Counted`.
    """
    null, ceiling = _fill_unknown(pairs.null), _fill_unknown(pairs.ceiling)
    fills = {"null": null, "ceiling": ceiling}
    alike = np.array([stage == measured_at for stage in pairs.stages], np.bool_)
    # Networks trained alike are not changed, so a map that vanished there was no reference.
    kind = np.where(alike[:, None, None] & (pairs.kind == DIED), CONSTANT, pairs.kind)
    score, alive = pairs.score, (kind != ABSENT) & (kind != CONSTANT)
    for here, how in ((kind == DIED, died), (kind == NAN, nan)):
        if how == "out":
            alive = alive & ~here
        else:
            score = np.where(here, fills[how], score)
    stages, draws, images = (alive.any(axes) for axes in ((1, 2), (0, 2), (0, 1)))
    lively = np.ix_(stages, draws, images)
    alive = alive[lively]
    per_stage = alive.sum((1, 2), keepdims=True)
    weights = alive / (per_stage * len(alive))
    score, null, ceiling = (np.where(alive, v[lively], 0.0) for v in (score, null, ceiling))
    measured = None if measured_at is None else alike[stages]
    shift = None if pairs.shift is None else pairs.shift[lively]
    return Counted(score, null, ceiling, weights, draws, images, measured, fixed, shift, near)


def difference(counted: Counted, other: Counted, statistic: Statistic, *, paired: bool) -> Estimate:
    """A statistic of one minus that of another.

    Args:
        counted: the minuend.
        other: the subtrahend.
        statistic: the statistic to compare.
        paired: whether both have the same draws and images in the same order; their common
            effects then cancel. Otherwise both count as independent, which gives too wide an
            interval if they share images.
    """
    fixed = counted.fixed and other.fixed
    (value, cells), (base, others) = counted.moved_by(statistic), other.moved_by(statistic)
    if not paired:
        return estimate(value, cells, fixed=fixed).minus(estimate(base, others, fixed=fixed))
    draws, images = counted.draws | other.draws, counted.images | other.images
    apart = _spread(counted, cells) - _spread(other, others)
    both = apart[np.ix_(draws, images)]
    return estimate(value - base, both * both.size, fixed=fixed)


def _spread(counted: Counted, cells: Floats) -> NDArray[np.float64]:
    """The contribution of every draw and image to the mean; 0 for those that do not count."""
    whole = np.zeros((len(counted.draws), len(counted.images)))
    whole[np.ix_(counted.draws, counted.images)] = cells / max(cells.size, 1)
    return whole


def _fill_unknown(values: Floats) -> Floats:
    """Replace unknown values by the mean of their stage, or of all stages if it has none."""
    finite = np.isfinite(values)
    if finite.all():
        return values
    counts = finite.sum((1, 2))
    totals = np.where(finite, values, 0.0).sum((1, 2))
    overall = totals.sum() / counts.sum() if counts.any() else np.nan
    means = np.where(counts > 0, totals / np.maximum(counts, 1), overall)
    return np.where(finite, values, means[:, None, None])
