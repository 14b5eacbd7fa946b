"""Symmetric relevance gain: odd, zero for noise, and the gain of both orders over a random one."""

import numpy as np
import pytest

from saliency_bench import metrics, network
from saliency_bench.metrics.perturbed import area
from saliency_bench.protocols.metrics import CURVE, VALUE

SETTINGS = [
    metrics.SymmetricRelevanceGain(segments=20, steps=8),
    metrics.SymmetricRelevanceGain(segments=20, steps=30, imputer=metrics.Blur()),
    metrics.SymmetricRelevanceGain(segments=20, steps=8, imputer=metrics.Histogram(), draws=3),
    metrics.SymmetricRelevanceGain(segments=20, steps=8, imputer=metrics.Neighbours()),
]
each = pytest.mark.parametrize("metric", SETTINGS, ids=lambda m: str(m.imputer))


@each
def test_a_turned_map_has_minus_the_value(metric, functional, images, targets):
    """Exactly, ties included."""
    rng = np.random.default_rng(2)
    bound = metric.bind(functional)
    for maps in (rng.normal(size=images.shape), rng.integers(0, 2, (5, 3, 2, 1)) * 1.0):
        one = bound.measure(maps, images, targets)
        other = bound.measure(-maps, images, targets)
        np.testing.assert_array_equal(one[VALUE], -other[VALUE])
        np.testing.assert_array_equal(one[CURVE], -other[CURVE])
        assert (one[VALUE] != 0).any()


def test_noise_has_zero_and_the_exact_map_more(linear):
    """Within three standard errors over 200 maps of one image."""
    metric = metrics.SymmetricRelevanceGain(segments=20, steps=10)
    bound = metric.bind(linear.model)
    images = np.repeat(linear.images[:1], 200, axis=0)
    noise = np.random.default_rng(3).normal(size=(200, *images.shape[1:3], 1))
    values = bound(noise, images, np.full(200, 2))
    error = values.std() / np.sqrt(200)
    assert abs(values.mean()) < 3 * error
    exact = bound(linear.contributions(), linear.images, linear.targets)
    assert (exact > 3 * values.std()).all()


def test_it_is_the_gain_of_both_orders_over_a_random_one(small):
    metric = metrics.SymmetricRelevanceGain(segments=8, steps=4)
    bound = metric.bind(small.model)
    found = bound.measure(small.contributions(), small.images, small.targets)
    most, least = found["random"] - found["mif"], found["lif"] - found["random"]
    np.testing.assert_allclose(found[CURVE], most + least, atol=1e-12)
    for name in ("lif", "mif", "random"):
        np.testing.assert_array_equal(found[name][:, 0], found["lif"][:, 0])
        np.testing.assert_array_equal(found[name][:, -1], found["lif"][:, -1])
    np.testing.assert_array_equal(found[CURVE][:, [0, -1]], 0)


def test_a_linear_network_by_hand(small):
    """Hiding a superpixel costs the sum of its contributions over the fill."""
    metric = metrics.SymmetricRelevanceGain(segments=8, steps=50, imputer=metrics.Fill(0.5))
    found = metric.bind(small.model).measure(small.contributions(0.5), small.images, small.targets)[
        VALUE
    ]
    for image, parts, value in zip(small.images, small.contributions(0.5), found, strict=True):
        labels = network.superpixels(image, 8).ravel()
        costs = np.bincount(labels, parts.sum(axis=-1).ravel())
        order = np.argsort(costs / np.bincount(labels))
        lif, mif = (-np.append(0, costs[way].cumsum()) for way in (order, order[::-1]))
        expected = area(lif - mif, np.linspace(0, 1, len(costs) + 1))
        np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_scope_is_the_share_of_randomly_occluded_images_whose_class_stays(adding):
    """Where a network always says the same, all stay; where its word follows the sum, not all."""
    images = np.array([[3.0, -1.0], [-1.0, 0.5]], np.float32)[None, ..., None]
    maps = np.arange(4.0).reshape(1, 2, 2, 1)
    metric = metrics.SymmetricRelevanceGain(segments=4, steps=4, imputer=metrics.Fill(-9.0))
    found = metric.bind(adding).measure(maps, images, np.array([1]))
    np.testing.assert_array_equal(found["in_scope_curve"], [[1, 0, 0, 0, 0]])
    np.testing.assert_allclose(found["in_scope"], [0.125])
    high = metrics.SymmetricRelevanceGain(segments=4, steps=4, imputer=metrics.Fill(9.0))
    np.testing.assert_array_equal(
        high.bind(adding).measure(maps, images, np.array([0]))["in_scope"], [1]
    )


def test_scope_does_not_depend_on_the_map(functional, images, targets):
    bound = SETTINGS[0].bind(functional)
    rng = np.random.default_rng(4)
    one, other = (bound.measure(rng.normal(size=images.shape), images, targets) for _ in range(2))
    np.testing.assert_allclose(one["random"], other["random"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(one["in_scope"], other["in_scope"])
