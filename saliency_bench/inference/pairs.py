"""One explainer's compared pairs of maps, as arrays, and how the undefined ones count."""

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
from saliency_bench.protocols import CONSTANT, DIED, NAN, STATUSES, Floats, Ints

Died = Literal["null", "out"]
NotFinite = Literal["null", "ceiling", "out"]
Statistic = Literal["retained", "similarity"]

MIN_DRAWS = 3
"""Fewer changed networks say too little about changed networks."""
ABSENT = -1
"""The kind of a pair that was not compared."""


@dataclass(frozen=True)
class Pairs:
    """The compared pairs of maps of one (check, explainer, similarity).

    Attributes:
        stages: `[L]` numbers of the stages.
        score: `[L, D, I]`, as are the others; NaN where unknown.
        null: similarity of maps that share nothing but the explainer.
        ceiling: similarity if nothing had changed.
        kind: index into `STATUSES`, or `ABSENT`.
    """

    stages: Ints
    score: Floats
    null: Floats
    ceiling: Floats
    kind: NDArray[np.int8]

    def take(self, stages: NDArray[np.bool_]) -> Pairs:
        """The stages where the mask `[L]` is True."""
        return Pairs(
            self.stages[stages],
            self.score[stages],
            self.null[stages],
            self.ceiling[stages],
            self.kind[stages],
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
        found = np.count_nonzero(self.kind == STATUSES.index(status))
        return found / present if present else float("nan")


@dataclass(frozen=True)
class Counted:
    """Pairs once it is settled how the undefined ones count.

    Attributes:
        score: `[L, D, I]` of the draws and images that count at all; 0 where left out.
        null: as `score`.
        ceiling: as `score`.
        weights: sum to 1 in all; each stage's living pairs share alike.
        draws: which of all draws count at all.
        images: which of all images do.
        measured: `[L]` at which stages the score is a mean over networks trained alike, as every
            ceiling is; None where ceilings are not measured.
    """

    score: Floats
    null: Floats
    ceiling: Floats
    weights: Floats
    draws: NDArray[np.bool_]
    images: NDArray[np.bool_]
    measured: NDArray[np.bool_] | None = None

    @cached_property
    def similarity(self) -> Interval:
        """The mean score."""
        return self._interval(self._networks[0], np.ones(1))

    @cached_property
    def retained(self) -> Interval:
        """`mean(score - null) / mean(ceiling - null)`.

        NaN where a ceiling that is measured may be no higher than the null: no interval of a ratio
        is bounded if that of its denominator holds 0 (Fieller, 1954).
        """
        score, ceiling = self._networks
        found = self._interval(score - self.null, ceiling - self.null)
        if self.measured is not None and not self.room.low > 0:
            return Interval(*np.full((3, *np.shape(found.value)), np.nan))
        return found

    @cached_property
    def room(self) -> Interval:
        """`mean(ceiling - null)`: what there is to be retained."""
        return self._interval(self._networks[1] - self.null, np.ones(1))

    def moved_by(self, statistic: Statistic) -> tuple[Floats, Floats]:
        """The statistic, and what each draw and image that counts moves it by.

        Returns:
            A number, NaN where there is no interval either, and `[D, I]`.
        """
        found = getattr(self, statistic)
        score, ceiling = self._networks
        keeping = statistic == "similarity"
        room = np.ones_like(ceiling) if keeping else ceiling - self.null
        _, cells = linearised(score if keeping else score - self.null, room, self.weights)
        return np.where(np.isfinite(found.low), found.value, np.nan), cells

    @property
    def n_draws(self) -> int:
        """Draws with at least one pair that counts."""
        return int(self.score.shape[1])

    def mean(self, values: Floats) -> float:
        """Weighted mean of `values`; NaN if nothing counts."""
        return float(np.sum(self.weights * values)) if self.weights.size else float("nan")

    @property
    def _networks(self) -> tuple[Floats, Floats]:
        """Score and ceiling such that draws are independent."""
        if self.measured is None or self._few:
            return self.score, self.ceiling
        ceiling = pseudo_values(self.ceiling, self.weights)
        score = pseudo_values(self.score, self.weights)
        return np.where(self.measured[:, None, None], score, self.score), ceiling

    @property
    def _few(self) -> bool:
        """Whether the networks are too few to tell how much networks differ."""
        return self.n_draws < MIN_DRAWS

    def _interval(self, numerator: Floats, denominator: Floats) -> Interval:
        found = interval(numerator, denominator, self.weights)
        if self.measured is None or not self._few:
            return found
        return Interval(found.value, *np.full((2, *np.shape(found.value)), np.nan))


def count(
    pairs: Pairs,
    *,
    died: Died = "null",
    nan: NotFinite = "out",
    measured_at: int | None = None,
) -> Counted:
    """Settle how the undefined pairs count; the defaults are the variant that is reported.

    A constant reference says nothing, so nothing can be asked of what becomes of it: left out.

    Args:
        pairs: of one stage or of several.
        died: a map that vanished under the change has changed ("null"), or says nothing ("out").
        nan: as what a pair counts that is not finite.
        measured_at: the stage that measures the ceilings; None: they are not measured.
    """
    null, ceiling = _filled(pairs.null), _filled(pairs.ceiling)
    fills = {"null": null, "ceiling": ceiling}
    alike = np.array([stage == measured_at for stage in pairs.stages], np.bool_)
    # Among networks trained alike none is changed: what vanished there was no reference either.
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
    return Counted(score, null, ceiling, weights, draws, images, measured)


def difference(counted: Counted, other: Counted, statistic: Statistic, *, paired: bool) -> Estimate:
    """How far a statistic of one lies above that of another.

    Args:
        counted: the one.
        other: the other.
        statistic: what is compared.
        paired: whether both saw the same draws and images, each in the same place: what these do
            to both then cancels. Else all is taken for independent, which is too wide if images
            are shared.
    """
    (value, cells), (base, others) = counted.moved_by(statistic), other.moved_by(statistic)
    if not paired:
        return estimate(value, cells).minus(estimate(base, others))
    draws, images = counted.draws | other.draws, counted.images | other.images
    apart = _spread(counted, cells) - _spread(other, others)
    both = apart[np.ix_(draws, images)]
    return estimate(value - base, both * both.size)


def _spread(counted: Counted, cells: Floats) -> NDArray[np.float64]:
    """What each of all draws and images adds to the mean; 0 for those that do not count."""
    whole = np.zeros((len(counted.draws), len(counted.images)))
    whole[np.ix_(counted.draws, counted.images)] = cells / max(cells.size, 1)
    return whole


def _filled(values: Floats) -> Floats:
    """Unknown values get their stage's mean; a stage without any gets the mean of all."""
    known = np.isfinite(values)
    if known.all():
        return values
    counts = known.sum((1, 2))
    totals = np.where(known, values, 0.0).sum((1, 2))
    overall = totals.sum() / counts.sum() if counts.any() else np.nan
    means = np.where(counts > 0, totals / np.maximum(counts, 1), overall)
    return np.where(known, values, means[:, None, None])
