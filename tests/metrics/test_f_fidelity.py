"""F-Fidelity: by hand on linear networks, odd, zero for noise; and what the network learns."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from saliency_bench import metrics, network
from saliency_bench.metrics.f_fidelity import RandomRemoval
from saliency_bench.protocols.metrics import CURVE, VALUE, tuning_of
from saliency_bench.randomize import stream

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)


def test_without_chance_a_linear_network_by_hand(small):
    """All marked pixels go, or all others: each costs what it contributes."""
    metric = metrics.FFidelity(SHARES, samples=1, part=1, most=1)
    maps = small.contributions()
    found = metric.bind(small.model).measure(maps, small.images, small.targets)
    for i, one in enumerate(maps.sum(axis=-1).reshape(len(maps), -1)):
        falling = np.sort(one)[::-1]
        marked = [round(share * 42) for share in SHARES]  # of 6x7 pixels
        plus = np.array([falling[:count].sum() for count in marked])
        minus = np.array([falling[count:].sum() for count in marked])
        np.testing.assert_allclose(found["plus"][i], plus, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["minus"][i], minus, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[CURVE][i], plus - minus, rtol=1e-4, atol=1e-5)
        assert found[VALUE][i] == pytest.approx((plus - minus).mean(), rel=1e-4)


def test_half_of_the_marked_pixels_go_and_never_more_than_the_network_knows(small):
    """Every pixel of a uniform image is worth one: the drop is the number of removed pixels."""
    import keras

    model = keras.Sequential(
        [keras.Input((10, 10, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    model.set_weights([np.stack([np.ones(100), -np.ones(100)], axis=1), np.zeros(2)])
    images, maps = np.ones((1, 10, 10, 1)), np.random.default_rng(0).random((1, 10, 10, 1))
    metric = metrics.FFidelity(SHARES, samples=3, part=0.5, most=0.2)
    found = metric.bind(model).measure(maps, images, np.array([0]))
    np.testing.assert_allclose(found["plus"], [[5, 12, 20, 20, 20]])
    np.testing.assert_allclose(found["minus"], [[20, 20, 20, 12, 5]])
    assert found[VALUE] == pytest.approx(0, abs=1e-12)


def test_a_sample_is_a_random_half(small):
    """The mean over many samples is half of what all marked pixels contribute."""
    metric = metrics.FFidelity((0.25, 0.75), samples=2000, part=0.5, most=1)
    maps = small.contributions()
    found = metric.bind(small.model).measure(maps, small.images, small.targets)
    for i, one in enumerate(maps.sum(axis=-1).reshape(len(maps), -1)):
        falling = np.sort(one)[::-1]
        for k, marked in enumerate((10, 32)):  # a quarter of 42 pixels, and the rest
            expected = falling[:marked].sum() * round(marked / 2) / marked
            spread = falling[:marked].std() * np.sqrt(marked / 4 / 2000)
            assert abs(found["plus"][i, k] - expected) < 4 * spread


@pytest.mark.parametrize("imputer", [metrics.Fill(), metrics.Histogram(), metrics.Mean()], ids=str)
def test_a_turned_map_has_minus_the_value(functional, images, targets, imputer):
    """Exactly, ties included: equal sets have equal random parts."""
    rng = np.random.default_rng(2)
    metric = metrics.FFidelity(samples=4, imputer=imputer)
    bound = metric.bind(functional)
    for maps in (rng.normal(size=images.shape), rng.integers(0, 2, (5, 3, 2, 1)) * 1.0):
        one = bound.measure(maps, images, targets)
        other = bound.measure(-maps, images, targets)
        np.testing.assert_allclose(one[VALUE], -other[VALUE], rtol=0, atol=1e-12)
        np.testing.assert_allclose(one[CURVE], -other[CURVE][:, ::-1], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(one["plus"], other["minus"][:, ::-1])
        assert (one[VALUE] != 0).any()


@pytest.mark.parametrize("part", [0.5, 1.0])
def test_all_maps_of_an_image_have_zero_on_average(part):
    """All orders of four pixels: exactly, for any draw of the random parts."""
    import keras

    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    model.set_weights([np.array([[1.0, 0], [-2, 1], [4, 3], [0.5, -1]]), np.zeros(2)])
    maps = np.array(list(permutations(range(4))), float).reshape(24, 2, 2, 1)
    images = np.repeat(np.array([1.0, 3, -2, 0.5]).reshape(1, 2, 2, 1), 24, axis=0)
    metric = metrics.FFidelity((0.25, 0.5, 0.75), samples=3, part=part, most=0.5)
    for key in range(3):
        found = metric.bind(model).measure(
            maps, images, np.zeros(24, int), keys=np.full(24, key)
        )  # fmt: skip
        assert np.abs(found[VALUE]).max() > 0.5
        assert found[VALUE].mean() == pytest.approx(0, abs=1e-6)


def test_the_exact_map_has_more_than_noise(linear):
    bound = metrics.FFidelity(samples=5).bind(linear.model)
    images = np.repeat(linear.images[:1], 50, axis=0)
    noise = np.random.default_rng(3).normal(size=(50, *images.shape[1:3], 1))
    values = bound(noise, images, np.full(50, 2))
    exact = bound(linear.contributions(), linear.images, linear.targets)
    assert (exact > 3 * values.std()).all()


def test_labels_count_the_copies_in_which_the_class_wins(small):
    metric = metrics.FFidelity(SHARES, samples=6, part=1, most=1)
    found = metric.bind(small.model).measure(small.contributions(), small.images, small.targets)
    for name in ("plus_label", "minus_label"):
        counts = found[name] * 6
        np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    difference = (found["plus_label"] - found["minus_label"]).mean(axis=1)
    np.testing.assert_allclose(found["label"], difference, atol=1e-12)


def test_it_asks_for_a_network_that_learned_its_own_removal():
    metric = metrics.FFidelity(most=0.2, imputer=metrics.Mean(), epochs=3, learning_rate=0.01)
    assert metric.tuning == RandomRemoval(0.2, metrics.Mean(), 3, 0.01)
    assert tuning_of(metric) == tuning_of(metrics.VersusInverse(metric)) == metric.tuning
    assert tuning_of(metrics.ROAD()) is None
    assert tuning_of(metrics.VersusInverse(metrics.ROAD())) is None
    # What is asked of the network is no part of what it learns.
    assert replace(metric, samples=7, part=0.1, output="probability").tuning == metric.tuning


def test_the_lesson_removes_a_random_share_up_to_the_most():
    image = np.random.default_rng(0).uniform(1, 2, (20, 20, 3)).astype(np.float32)
    lesson = RandomRemoval(most=0.25)
    copies = [lesson.changed(image, stream("a test", n)) for n in range(200)]
    gone = [(copy == 0).all(axis=-1) for copy in copies]
    for copy, hidden in zip(copies, gone, strict=True):
        np.testing.assert_array_equal(copy[~hidden], image[~hidden])
    shares = np.array([hidden.mean() for hidden in gone])
    assert shares.max() <= 0.25
    assert shares.mean() == pytest.approx(0.125, abs=4 * 0.25 / np.sqrt(12 * 200))
    # Every pixel is as likely to go as any other.
    assert np.mean(gone, axis=0).std() < 2 * np.sqrt(0.125 * 0.875 / 200)
    again = lesson.changed(image, stream("a test", 5))
    np.testing.assert_array_equal(again, copies[5])


def test_a_batch_of_another_size_and_order_has_the_same_values(functional, images, targets):
    maps = np.random.default_rng(6).normal(size=images.shape).astype(np.float32)
    metric = metrics.FFidelity(samples=3)
    together = metric.bind(functional)(maps, images, targets)
    with network.evaluating(7):
        turned = metric.bind(functional)(maps[::-1], images[::-1], targets[::-1])[::-1]
    np.testing.assert_allclose(turned, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.FFidelity(shares=()), r"shares must rise between 0 and 1; got \[\]"),
        (lambda: metrics.FFidelity(shares="a"), "shares must be a list of numbers; got 'a'"),
        (lambda: metrics.FFidelity((0.5, 0.2)), "shares must rise .* got .0.5, 0.2."),
        (lambda: metrics.FFidelity((0.1, 0.8)), "shares must lie symmetrically .* got .0.1, 0.8."),
        (lambda: metrics.FFidelity(part=0), "part must lie above 0 and at most at 1; got 0"),
        (lambda: metrics.FFidelity(most=1.5), "most must lie above 0 and at most at 1; got 1.5"),
        (lambda: metrics.FFidelity(samples=0), "samples must be at least 1; got 0"),
        (lambda: metrics.FFidelity(epochs=0), "epochs must be at least 1; got 0"),
        (lambda: metrics.FFidelity(learning_rate=0), "learning_rate must be above 0 .* got 0"),
        (lambda: metrics.FFidelity(imputer=0.0), r"imputer must be one, .* got 0.0"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
