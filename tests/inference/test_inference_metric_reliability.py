"""Reliability of metrics: hand arithmetic, definitions, and what chance gives."""

import numpy as np
import pytest
from scipy import stats

from saliency_bench.inference import metric_reliability
from saliency_bench.inference.metric_reliability import (
    MetaConsistency,
    agreement,
    between_explainers,
    consistency,
    meta_consistency,
)
from saliency_bench.inference.reliability import krippendorff

RNG = np.random.default_rng


def ordered(seed, images=30, explainers=6, noise=1.0):
    """Explainers one apart, and noise in every number."""
    return np.arange(explainers) + RNG(seed).normal(0, noise, (images, explainers))


# ---------------------------------------------------------------- agreement of images


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_krippendorffs_alpha_of_the_orders(seed):
    scores = ordered(seed)
    orders = stats.rankdata(scores, axis=1)
    found = agreement(scores)
    assert found.value == pytest.approx(krippendorff(orders))
    # The form that the interval rests on: squared distances of pairs of different images.
    ranks = stats.rankdata(orders).reshape(orders.shape)
    apart = np.mean([np.mean((ranks[i] - ranks[j]) ** 2) / 2
                     for i in range(30) for j in range(30) if i != j])  # fmt: skip
    assert found.value == pytest.approx(1 - apart / ranks.var(ddof=1))
    assert found.low < found.value < found.high


def test_the_bounds_are_those_of_pairs_of_different_images(monkeypatch):
    """By the definition, image by image, for three drawn samples."""
    scores = ordered(3, images=4)
    counts = np.array([[2, 1, 1, 0], [0, 4, 0, 0], [1, 1, 1, 1]])
    monkeypatch.setattr(metric_reliability, "_drawn", lambda images: counts)
    ranks = stats.rankdata(stats.rankdata(scores, axis=1)).reshape(scores.shape)
    by_hand = []
    for sample in (counts[0], counts[2]):
        drawn = np.repeat(np.arange(4), sample)
        pairs = [(i, j) for i in drawn for j in drawn if i != j]
        apart = np.mean([np.mean((ranks[i] - ranks[j]) ** 2) / 2 for i, j in pairs])
        by_hand.append(1 - apart / ranks.var(ddof=1))
    # One image four times says nothing of others.
    found = agreement(scores)
    low, high = np.quantile(by_hand, [0.025, 0.975])
    assert found.low == pytest.approx(min(low, float(found.value)))
    assert found.high == pytest.approx(max(high, float(found.value)))


def test_three_images_by_hand():
    """Orders 1 2, 1 2, 2 1: among six ratings the low ones have rank 2, the high ones 5.

    Of three pairs of images two differ, by 3 in both places: 9 / 2 each, 3 on average. The variance
    of the six ranks is 6 * 1.5 ** 2 / 5 = 2.7. So alpha is 1 - 3 / 2.7.
    """
    found = agreement(np.array([[0.1, 0.2], [1.0, 7.0], [0.3, 0.0]]))
    assert found.value == pytest.approx(1 - 3 / 2.7)


def test_equal_orders_agree_and_random_ones_do_not():
    assert list(agreement(np.tile([0.3, 0.1, 0.2], (8, 1)))) == [1, 1, 1]
    found = agreement(RNG(0).random((60, 8)))
    assert found.low < 0 < found.high


def test_the_interval_is_over_images_and_an_image_does_not_agree_with_itself():
    """Random orders: a bootstrap that counted such pairs would lie at 1 / 10, and above 0."""
    found = [agreement(RNG(seed).random((10, 7))) for seed in range(200)]
    covered = [own.low <= 0 <= own.high for own in found]
    assert np.mean(covered) > 0.85
    middles = [(float(own.low) + float(own.high)) / 2 for own in found]
    assert abs(np.mean(middles)) < 0.06


@pytest.mark.parametrize("scores", [np.ones((5, 4)), ordered(0)[:1], ordered(0)[:, :1]])
def test_agreement_is_undefined(scores):
    assert np.isnan([*agreement(scores)]).all()


# ---------------------------------------------------------------- variants


def test_a_variant_on_another_scale_is_consistent_and_one_turned_around_is_not():
    scores = ordered(0)
    same, turned = consistency(scores, 3 * scores - 5), consistency(scores, -scores)
    assert [*same.means, same.images] == [1, 1, 1, pytest.approx(1)]
    assert [*turned.means, turned.images] == [-1, -1, -1, pytest.approx(-1)]


def test_consistency_is_spearmans_of_means_and_of_images():
    one, other = ordered(0, noise=5), ordered(1, noise=5)
    found = consistency(one, other)
    means = stats.spearmanr(one.mean(axis=0), other.mean(axis=0)).statistic
    images = [stats.spearmanr(one[:, e], other[:, e]).statistic for e in range(6)]
    assert found.means.value == pytest.approx(means)
    assert found.images == pytest.approx(np.mean(images))


def test_order_of_means_may_agree_where_images_do_not():
    """Two explainers far apart, and noise of their own in either variant."""
    far = np.array([0.0, 100.0])
    one, other = (far + RNG(seed).normal(0, 1, (400, 2)) for seed in (0, 1))
    found = consistency(one, other)
    assert [*found.means] == [1, 1, 1]
    assert abs(found.images) < 0.1


def test_between_explainers_by_hand():
    """Three explainers order the images 1 2 3, 1 2 3 and 3 2 1: correlations 1, -1, -1."""
    scores = np.array([[1.0, 4.0, 9.0], [2.0, 5.0, 8.0], [3.0, 6.0, 7.0]])
    assert between_explainers(scores) == pytest.approx(-1 / 3)
    assert np.isnan(between_explainers(scores[:, :1]))


@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_consistency_is_undefined(shape):
    found = consistency(np.ones(shape), np.ones(shape))
    assert np.isnan([*found.means, found.images]).all()
    same = consistency(np.ones((4, 4)), ordered(0, 4, 4))
    assert np.isnan([*same.means, same.images]).all()


# ---------------------------------------------------------------- disturbances


def test_meta_consistency_by_hand():
    """Two explainers, two images; nothing changes under noise, and three of four maps get worse."""
    scores = np.array([[1.0, 2.0], [1.0, 2.0]])
    worse = np.array([[0.5, 1.0], [1.5, 1.0]])
    found = meta_consistency(scores, scores, worse)
    p = [stats.wilcoxon(own, zero_method="zsplit").pvalue for own in ([-0.5, 0.5], [-1.0, -1.0])]
    expected = MetaConsistency(1.0, 1 - np.mean(p), 1.0, 0.75)
    assert found == pytest.approx(expected)
    assert found.total == pytest.approx((1 + 1 - np.mean(p) + 1 + 0.75) / 4)


def test_places_that_noise_swaps_are_counted():
    scores = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    swapped = np.array([[1.0, 3.0, 2.0], [1.0, 2.0, 3.0]])
    assert meta_consistency(scores, swapped, scores).between_minor == pytest.approx(4 / 6)


def test_a_metric_that_reacts_as_it_should_is_near_1_and_one_that_does_not_is_near_a_half():
    scores = ordered(0, images=40, noise=0.1)
    ideal = meta_consistency(scores, scores, scores - 10)
    assert ideal.total > 0.99
    # Nothing reacts to either: resilient to noise, and to the disruption as well.
    assert meta_consistency(scores, scores, scores).total == pytest.approx(0.5)
