"""How far a metric can be trusted as a measurement: agreement, consistency, meta-consistency.

All scores are `[images, explainers]`, finite, and larger is better: a metric whose lower values are
better has its sign turned before. The same images and explainers stand in both of two tables.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from saliency_bench.inference.intervals import UNKNOWN, Interval
from saliency_bench.inference.ranks import BOUNDS, RESAMPLES
from saliency_bench.inference.reliability import krippendorff
from saliency_bench.protocols import Floats

_DECIMALS = 9


# ---------------------------------------------------------------- images


def agreement(scores: Floats) -> Interval:
    """Krippendorff's alpha of the images on the order of the explainers, over bootstrapped images.

    An image that is drawn twice agrees with itself, which says nothing: only pairs of different
    images count. What chance would give is that of all images.

    Args:
        scores: `[images, explainers]`.

    Returns:
        1 if every image gives the same order, 0 if they agree as random orders do; NaN with fewer
        than two images or explainers, or if all numbers of each image are equal.
    """
    order = stats.rankdata(np.round(scores, _DECIMALS), axis=1)
    if min(order.shape) < 2 or np.ptp(order) == 0:
        return UNKNOWN
    images, explainers = order.shape
    ranks = stats.rankdata(order).reshape(order.shape)
    ranks -= ranks.mean()
    counts = _drawn(images)
    # Squared distances of all pairs, from sums over images alone.
    apart = images * (counts @ np.sum(ranks**2, axis=1)) - np.sum((counts @ ranks) ** 2, axis=1)
    with np.errstate(invalid="ignore"):
        pairs = explainers * (images**2 - np.sum(counts**2, axis=1))
        drawn = 1 - apart / pairs / np.var(ranks, ddof=1)
    return _interval(krippendorff(order), drawn)


def _drawn(images: int) -> NDArray[np.int64]:
    """`[S, images]` how often each image is drawn, with replacement."""
    random = np.random.default_rng(0)
    return random.multinomial(images, np.full(images, 1 / images), RESAMPLES)


def _interval(value: float, drawn: Floats) -> Interval:
    if not np.isfinite(value):
        return UNKNOWN
    low, high = np.nanquantile(drawn, BOUNDS)
    # Few images leave samples whose middle is not the estimate.
    return Interval(*map(np.asarray, (value, min(low, value), max(high, value))))


# ---------------------------------------------------------------- variants


class Consistency(NamedTuple):
    """Whether two variants of a metric say the same (Tomsett et al., 2020).

    Attributes:
        means: rank correlation of the explainers' means, with its interval over bootstrapped
            images: do both variants put the explainers in the same order?
        images: rank correlation over the images, on average over explainers (there: internal
            consistency): do both variants prefer the maps of the same images?
    """

    means: Interval
    images: float


def consistency(one: Floats, other: Floats) -> Consistency:
    """The consistency of two variants.

    Args:
        one: `[images, explainers]`.
        other: `[images, explainers]`.

    Returns:
        1 if both give the same orders, -1 if they give opposite ones; NaN where there is no order,
        for example with fewer than two explainers or images.
    """
    if min(one.shape) < 2:
        return Consistency(UNKNOWN, float("nan"))
    weights = _drawn(len(one)) / len(one)
    own = _correlations(one.mean(axis=0)[None], other.mean(axis=0)[None])[0]
    means = _interval(float(own), _correlations(weights @ one, weights @ other))
    return Consistency(means, _mean(_correlations(one.T, other.T)))


def between_explainers(scores: Floats) -> float:
    """Rank correlation of two explainers over the images, on average over pairs of explainers.

    (Tomsett et al., 2020: inter-method reliability.) Near 1 where the metric says more about the
    image, for instance how sure the network is of it, than about the map.

    Args:
        scores: `[images, explainers]`.
    """
    pairs = list(combinations(range(scores.shape[1]), 2))
    if not pairs or len(scores) < 2:
        return float("nan")
    first, second = np.array(pairs).T
    return _mean(_correlations(scores.T[first], scores.T[second]))


def _correlations(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Spearman's rank correlation of each two rows `[S, n]`; NaN if one of them is constant."""
    ranks = [stats.rankdata(np.round(rows, _DECIMALS), axis=1) for rows in (one, other)]
    first, second = (own - own.mean(axis=1, keepdims=True) for own in ranks)
    sizes = np.sum(first**2, axis=1) * np.sum(second**2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sum(first * second, axis=1) / np.sqrt(sizes), np.float64)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


# ---------------------------------------------------------------- disturbances


class MetaConsistency(NamedTuple):
    """Meta-consistency of a metric (Hedström et al., 2023), each part in [0, 1], more is better.

    Attributes:
        within_minor: IAC of noise resilience: mean p of Wilcoxon's signed-rank test of the scores
            before and after a minor disturbance.
        within_disruptive: IAC of adversary reactivity: mean 1 - p, after a disruptive one.
        between_minor: IEC of noise resilience: share of equal places in the images' orders of
            explainers, before and after a minor disturbance.
        between_disruptive: IEC of adversary reactivity: share of the maps with a worse score after
            a disruptive one.
    """

    within_minor: float
    within_disruptive: float
    between_minor: float
    between_disruptive: float

    @property
    def total(self) -> float:
        """MC: the mean of the four."""
        return float(np.mean(self))


def meta_consistency(scores: Floats, minor: Floats, disruptive: Floats) -> MetaConsistency:
    """Meta-consistency with one minor and one disruptive disturbance.

    As larger is better in all tables, worse is less; the authors' code compares strings there, so
    that metrics whose lower values are better count the wrong way round. A p-value measures no
    quality: with more images it falls, however small the disturbance.

    Args:
        scores: `[images, explainers]` of the maps as they are.
        minor: the same after a disturbance that should change nothing.
        disruptive: the same after one that should make every map worse.
    """
    orders = [stats.rankdata(np.round(own, _DECIMALS), axis=1) for own in (scores, minor)]
    return MetaConsistency(
        _mean(_same(scores, minor)),
        _mean(1 - _same(scores, disruptive)),
        float(np.mean(orders[0] == orders[1])),
        float(np.mean(disruptive < scores)),
    )


def _same(before: Floats, after: Floats) -> NDArray[np.float64]:
    """P-value of each explainer's scores before and after; 1 if none has changed."""
    return np.array(
        [
            stats.wilcoxon(own, zero_method="zsplit").pvalue if own.any() else 1.0
            for own in np.round(after - before, _DECIMALS).T
        ]
    )
