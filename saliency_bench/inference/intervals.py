"""Ratios of means with 95 % intervals, with draws and images as random effects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from saliency_bench.protocols import Floats

UPPER = 0.975
"""Quantile of the upper end: 95 % two-sided, 2.5 % per one-sided decision."""

ROOM = 1e-6
"""Smallest mean denominator of a ratio; below it, rounding errors would dominate."""


class Interval(NamedTuple):
    """An estimate and the bounds of its 95 % interval; NaN where there is none."""

    value: Floats
    low: Floats
    high: Floats


UNKNOWN = Interval(*(np.asarray(np.nan) for _ in range(3)))
"""No estimate."""


class Estimate(NamedTuple):
    """A number, its standard error, and the degrees of freedom of Student's t for the error.

    Attributes:
        value: the number.
        error: its standard error.
        freedom: the estimated degrees of freedom.
        least: the degrees of freedom of the smaller of draws and images; a lower bound of
            `freedom`.
    """

    value: Floats
    error: Floats
    freedom: Floats
    least: Floats

    def interval(self, decisions: int = 1) -> Interval:
        """An interval so wide that all of `decisions` such intervals cover in 95 % (Bonferroni).

        In the far tails, t with estimated degrees of freedom gives intervals that are far too
        narrow, so for more than one decision the least degrees of freedom are used. In
        simulations, 14 intervals of 3 draws and 64 images all cover in .71 of the cases without
        this, and in more than .99 with it.
        """
        freedom = self.freedom if decisions == 1 else self.least
        half = stats.t.ppf(1 - (1 - UPPER) / decisions, freedom) * self.error
        return Interval(self.value, self.value - half, self.value + half)

    def minus(self, other: Estimate) -> Estimate:
        """The difference of two independent estimates (Welch, 1947)."""
        squares = np.array([self.error, other.error]) ** 2
        least = np.fmin(self.least, other.least)
        freedoms = np.array([self.freedom, other.freedom])
        with np.errstate(invalid="ignore"):
            freedom = squares.sum() ** 2 / np.sum(squares**2 / freedoms)
        # Without any spread this is 0 / 0, and the width is 0 for any degrees of freedom. Those of
        # the sum are estimated from both sides, and give wide enough intervals in the tails too.
        freedom = np.fmax(freedom, least)
        return Estimate(self.value - other.value, np.sqrt(squares.sum()), freedom, freedom)


def interval(
    numerator: Floats, denominator: Floats, weights: Floats, *, fixed: bool = False
) -> Interval:
    """Ratio of two weighted means over stages, draws and images.

    The ratio is linearised: `u[d, i]` is the contribution of cell (d, i) to `mean(a) - r mean(b)`.
    The variance of its mean follows a two-way random-effects layout, so images that share a
    redrawn network, and draws that share an image, do not count as independent evidence.

    Args:
        numerator: `[..., L, D, I]`, finite, also where `weights` are 0.
        denominator: as `numerator`, or a constant that broadcasts against it.
        weights: `[..., L, D, I]`, non-negative, sum 1; 0 leaves a pair out.
        fixed: see `estimate`.

    Returns:
        Arrays `[...]`; NaN where the mean denominator is 0. The bounds are NaN also with fewer
        than two draws or two images.
    """
    return estimate(*linearised(numerator, denominator, weights), fixed=fixed).interval()


def linearised(
    numerator: Floats, denominator: Floats, weights: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A ratio of weighted means `[...]`, and the influence `[..., D, I]` of each draw and image.

    See `interval`; the mean influence over all cells is 0.

    Args:
        numerator: `[..., L, D, I]`, finite, also where `weights` are 0.
        denominator: as `numerator`, or a constant that broadcasts against it.
        weights: `[..., L, D, I]`, non-negative, sum 1; 0 leaves a pair out.
    """
    cube = (-3, -2, -1)
    draws, images = numerator.shape[-2:]
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sum(weights * denominator, axis=cube)
        scale = np.where(np.abs(scale) > ROOM, scale, np.nan)
        ratio = np.sum(weights * numerator, axis=cube) / scale
        residual = numerator - ratio[..., None, None, None] * denominator
        cells = np.sum(weights * residual, axis=-3) * (draws * images) / scale[..., None, None]
    return np.asarray(ratio), np.asarray(cells)


def estimate(value: Floats, cells: Floats, *, fixed: bool = False) -> Estimate:
    """An estimate with the standard error of the mean of `cells`.

    Args:
        value: `[...]`.
        cells: `[..., D, I]` influence of each draw and image on it, as crossed random effects.
        fixed: whether the estimate is about these draws alone, so that only images are random.
    """
    draws, images = cells.shape[-2:]
    if fixed and images > 1 and draws:
        error = np.std(cells.mean(axis=-2), axis=-1, ddof=1) / images**0.5
        freedom = np.full(cells.shape[:-2], images - 1.0)
        return Estimate(value, error, freedom, freedom)
    least = np.full(cells.shape[:-2], min(draws, images) - 1.0)
    if (least < 1).all():
        return Estimate(value, *np.full((3, *cells.shape[:-2]), np.nan))
    return Estimate(value, *_error(*mean_squares(cells), draws, images), least)


def pseudo_values(twins: Floats, weights: Floats) -> NDArray[np.float64]:
    """The contribution of each network to the mean similarity of twins.

    `twins[l, d, i]` is the mean similarity of network d with the others of its kind. The mean over
    d is the mean over all pairs, but the terms share networks, so they differ too little. If
    network d adds a_d to each of its M - 1 pairs, the mean over all pairs changes by 2 a_d / M,
    while the terms differ by only (M - 2) / (M - 1) a_d. Stretched about their mean by
    2 (M - 1) / (M - 2), they are the pseudo-values of the delete-one jackknife (Arvesen, 1969):
    these have the same mean and the spread of independent terms. Effects of single pairs that no
    network explains increase the spread further.

    Args:
        twins: `[L, D, I]` of D >= 3 networks, finite.
        weights: `[L, D, I]`; 0 leaves a pair out.
    """
    networks = twins.shape[-2]
    alive = weights > 0
    counts = np.maximum(alive.sum(axis=-2, keepdims=True), 1)
    mean = np.where(alive, twins, 0).sum(axis=-2, keepdims=True) / counts
    stretch = 2 * (networks - 1) / (networks - 2)
    return np.asarray(np.where(alive, mean + stretch * (twins - mean), twins))


def mean_interval(values: Floats) -> Interval:
    """Mean of independent `values` `[N]` with Student's interval; the bounds are NaN if N < 2."""
    n = len(values)
    mean = np.asarray(np.mean(values) if n else np.nan)
    half = stats.t.ppf(UPPER, n - 1) * np.std(values, ddof=1) / n**0.5 if n > 1 else np.nan
    return Interval(mean, mean - half, mean + half)


def ratio_interval(numerator: Floats, denominator: Floats) -> Interval:
    """Linearised ratio of the means of independent pairs `[N]`; NaN if the denominator is 0."""
    below = float(np.mean(denominator)) if len(denominator) else np.nan
    if not abs(below) > ROOM:
        return Interval(*np.full((3,), np.nan))
    ratio = np.mean(numerator) / below
    return mean_interval(ratio + (numerator - ratio * denominator) / below)


class Components(NamedTuple):
    """Variances of crossed random effects: of draws, of images, and of the residual."""

    draw: float
    image: float
    error: float

    def half_width(self, draws: int, images: int) -> float:
        """Half the expected width of the interval of a mean over so many draws and images."""
        draw, image = images * self.draw + self.error, draws * self.image + self.error
        squares = np.array([draw, image, self.error])
        error_and_freedom = _error(squares[0], squares[1], squares[2], draws, images)
        return float(Estimate(np.zeros(()), *error_and_freedom, np.zeros(())).interval().high)


def components(cells: Floats) -> Components:
    """Of `[D, I]` with at least two of each; a variance estimated below zero is zero."""
    draws, images = cells.shape
    draw, image, error = (float(square) for square in mean_squares(cells))
    return Components(max(0.0, draw - error) / images, max(0.0, image - error) / draws, error)


def _error(
    draw: Floats, image: Floats, error: Floats, draws: int, images: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard error and degrees of freedom of the mean of crossed effects, from mean squares."""
    # A component that is estimated below zero must not reduce the other one.
    total = np.maximum(draw + image - error, np.maximum(draw, image))
    free_draw, free_image = draws - 1, images - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = draw**2 / free_draw + image**2 / free_image + error**2 / (free_draw * free_image)
        # Satterthwaite. The subtracted term could push it below the degrees of freedom of the
        # smaller factor. fmax also replaces the 0 / 0 of constant cells, whose width is 0.
        freedom = np.fmax(total**2 / spread, min(free_draw, free_image))
    return np.sqrt(total / (draws * images)), np.asarray(freedom)


def mean_squares(cells: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean squares of draws, images and the residual, of `[..., D, I]`."""
    draws, images = cells.shape[-2:]
    centred = cells - cells.mean((-2, -1), keepdims=True)
    by_draw, by_image = centred.mean(-1), centred.mean(-2)
    residual = centred - by_draw[..., :, None] - by_image[..., None, :]
    return (
        images * np.sum(by_draw**2, -1) / (draws - 1),
        draws * np.sum(by_image**2, -1) / (images - 1),
        np.sum(residual**2, (-2, -1)) / ((draws - 1) * (images - 1)),
    )
