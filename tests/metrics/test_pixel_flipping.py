"""Deletion and insertion: linear networks and hand arithmetic."""

import numpy as np
import pytest

from saliency_bench import metrics
from saliency_bench.protocols.metrics import CURVE, VALUE

IMAGE = np.array([[1.0, 2.0], [4.0, 8.0]], np.float32)[None, ..., None]


def test_four_pixels_by_hand(adding):
    """The map says 8 first, then 1, 4 and 2; each pixel counts by its value."""
    maps = np.array([[3.0, 1.0], [2.0, 9.0]])[None, ..., None]
    found = metrics.Deletion(steps=4).bind(adding).measure(maps, IMAGE, np.array([1]))
    np.testing.assert_allclose(found[CURVE], [[15, 7, 6, 2, 0]], atol=1e-5)
    np.testing.assert_allclose(found[VALUE], [(15 / 2 + 7 + 6 + 2 + 0) / 4], rtol=1e-6)
    shown = metrics.Insertion(metrics.Fill(), steps=4).bind(adding)
    found = shown.measure(maps, IMAGE, np.array([1]))
    np.testing.assert_allclose(found[CURVE], [[0, 8, 9, 13, 15]], atol=1e-5)
    np.testing.assert_allclose(found[VALUE], [(0 + 8 + 9 + 13 + 15 / 2) / 4], rtol=1e-6)
    np.testing.assert_array_equal(shown.places, [0, 0.25, 0.5, 0.75, 1])


def test_more_steps_than_pixels_change_nothing(adding):
    maps = np.array([[3.0, 1.0], [2.0, 9.0]])[None, ..., None]
    values = [
        metrics.Deletion(steps=steps).bind(adding)(maps, IMAGE, np.array([1])) for steps in (4, 40)
    ]
    np.testing.assert_allclose(*values)


def test_the_curve_of_a_linear_network_is_a_sum_and_the_exact_map_is_the_best(linear):
    steps, exact = 10, linear.contributions()
    bound = metrics.Deletion(steps=steps).bind(linear.model)
    found = bound.measure(exact, linear.images, linear.targets)
    parts = np.sort(exact.sum(axis=-1).reshape(4, -1), axis=1)[:, ::-1]
    counts = np.rint(np.linspace(0, 1, steps + 1) * parts.shape[1]).astype(int)
    whole = linear.logits(linear.images)[np.arange(4), linear.targets]
    gone = np.concatenate([np.zeros((4, 1)), parts.cumsum(axis=1)], axis=1)[:, counts]
    expected = whole[:, None] - gone
    np.testing.assert_allclose(found[CURVE], expected, atol=1e-4)
    area = np.trapezoid(expected, counts / counts[-1], axis=1)
    np.testing.assert_allclose(found[VALUE], area, atol=1e-4)
    noise = np.random.default_rng(0).normal(size=exact.shape)
    assert (found[VALUE] < bound(noise, linear.images, linear.targets)).all()


def test_insertion_of_a_map_is_deletion_of_the_turned_one(small):
    """Pixels that are shown first are hidden last."""
    given = (small.images, small.targets)
    maps = np.random.default_rng(1).normal(size=small.images.shape)
    shown = metrics.Insertion(metrics.Fill(), steps=6).bind(small.model).measure(maps, *given)
    hidden = metrics.Deletion(steps=6).bind(small.model).measure(-maps, *given)
    np.testing.assert_allclose(shown[CURVE], hidden[CURVE][:, ::-1], atol=1e-5)


def test_ties_are_broken_at_random(adding):
    """Three pixels tie after the first: on average the curve is a straight line."""
    images = np.repeat(IMAGE, 2000, axis=0)
    maps = np.zeros(images.shape)
    maps[:, 1, 1] = 1
    bound = metrics.Deletion(steps=4).bind(adding)
    found = bound.measure(maps, images, np.ones(2000, int), keys=np.arange(2000))[CURVE]
    np.testing.assert_allclose(found.mean(axis=0), [15, 7, 14 / 3, 7 / 3, 0], atol=0.1)
    assert len(np.unique(found[:, 2])) == 3


def test_insertion_starts_with_a_blurred_image(small):
    found = metrics.Insertion(steps=5).bind(small.model)
    curve = found.measure(small.contributions(), small.images, small.targets)[CURVE]
    hide = metrics.Blur().of
    draw = np.random.default_rng(0)
    blurred = np.stack([hide(image, draw)(np.ones((1, 6, 7), bool))[0] for image in small.images])
    rows = np.arange(4)
    start, whole = small.logits(blurred), small.logits(small.images)
    np.testing.assert_allclose(curve[:, 0], start[rows, small.targets], atol=1e-5)
    np.testing.assert_allclose(curve[:, -1], whole[rows, small.targets], atol=1e-5)


@pytest.mark.parametrize(
    ("metric", "better"), [(metrics.Deletion, "lower"), (metrics.Insertion, "higher")]
)
def test_directions(metric, better):
    assert metric().direction == better
