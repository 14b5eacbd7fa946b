"""A metric against that of the turned map: signed so that more is better."""

from types import MappingProxyType

import numpy as np

from saliency_bench import metrics
from saliency_bench.protocols.metrics import CURVE, VALUE


def test_it_is_the_signed_difference(linear):
    exact, given = linear.contributions(), (linear.images, linear.targets)
    for base, sign in ((metrics.Deletion(steps=6), -1), (metrics.Insertion(steps=6), 1)):
        one, other = (base.bind(linear.model).measure(maps, *given) for maps in (exact, -exact))
        found = metrics.VersusInverse(base).bind(linear.model).measure(exact, *given)
        np.testing.assert_allclose(found[VALUE], sign * (one[VALUE] - other[VALUE]), atol=1e-5)
        np.testing.assert_allclose(found[CURVE], sign * (one[CURVE] - other[CURVE]), atol=1e-5)
        assert (found[VALUE] > 0).all()


def test_of_an_odd_metric_it_is_twice_the_value(functional, images, targets):
    base = metrics.SymmetricRelevanceGain(segments=9, steps=5)
    maps = np.random.default_rng(13).normal(size=images.shape)
    once, twice = (
        m.bind(functional)(maps, images, targets) for m in (base, metrics.VersusInverse(base))
    )
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)


class Foreign:
    """A metric of the protocol alone: the mean of the map, or what it becomes elsewhere."""

    family, direction, unit, chance = "faithfulness", "lower", "share of the map", False
    controls = MappingProxyType({"Constant": "not better"})

    words, remark, needs_regions, explains = "the mean of the map", "A remark.", False, True

    def moved(self, maps, keys):
        return maps + 1

    def bind(self, model):
        def bound(maps, images, targets, *, regions=None, explain=None, keys=None):
            changed = maps if explain is None else explain(images, targets, keys)
            return np.asarray(changed.mean(axis=(1, 2, 3)), np.float64)

        return bound


def test_any_metric_can_be_the_base(images, targets):
    metric = metrics.VersusInverse(Foreign())
    assert metric.direction == "higher"
    assert (metric.family, metric.unit, metric.chance) == (
        "faithfulness",
        "share of the map",
        False,
    )
    assert metric.words.endswith("turned around: the mean of the map")
    assert (metric.remark, metric.needs_regions, metric.explains) == ("A remark.", False, True)
    assert metric.moved(np.zeros((1, 2, 2, 1)), np.array([1])).max() == 1
    assert metric.controls == {"Constant": "not better"}
    maps = np.random.default_rng(14).normal(size=images.shape).astype(np.float32)
    bound = metric.bind(None)
    expected = -2 * maps.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(bound(maps, images, targets), expected, rtol=1e-5)
    found = bound(maps, images, targets, explain=lambda x, y, k: x)
    np.testing.assert_allclose(found, -2 * images.mean(axis=(1, 2, 3)), rtol=1e-5)
