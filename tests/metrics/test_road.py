"""ROAD: the definition worked out on its own, colour, and inversion."""

import numpy as np

from saliency_bench import metrics
from saliency_bench.metrics.interpolation import interpolate
from saliency_bench.protocols.metrics import CURVE, VALUE


def test_it_is_half_the_difference_of_both_orders(linear):
    """Without noise every removed image can be made by hand."""
    metric = metrics.ROAD(shares=(0.2, 0.5, 0.9), noise=0.0)
    maps = np.random.default_rng(5).normal(size=linear.images.shape)
    found = metric.bind(linear.model).measure(maps, linear.images, linear.targets)
    plane = maps.astype(np.float32).sum(axis=-1, dtype=np.float64).reshape(4, -1)
    for column, share in enumerate(metric.shares):
        count = round(share * plane.shape[1])
        for i, image in enumerate(linear.images):
            order = np.argsort(-plane[i])
            masks = np.zeros((2, plane.shape[1]), bool)
            masks[0, order[:count]] = masks[1, order[::-1][:count]] = True
            logits = linear.logits(interpolate(image, masks.reshape(2, *image.shape[:2])))
            target = linear.targets[i]
            morf, lerf = logits[:, target]
            np.testing.assert_allclose(found["morf"][i, column], morf, atol=1e-4)
            np.testing.assert_allclose(found["lerf"][i, column], lerf, atol=1e-4)
            right = logits.argmax(axis=1) == target
            assert [found[f"{name}_accuracy"][i, column] for name in ("morf", "lerf")] == [*right]
    np.testing.assert_allclose(found[CURVE], (found["lerf"] - found["morf"]) / 2)
    np.testing.assert_allclose(found[VALUE], found[CURVE].mean(axis=1))


def test_a_turned_map_has_minus_the_value(functional, images, targets):
    bound = metrics.ROAD().bind(functional)
    maps = np.random.default_rng(6).integers(0, 3, (5, 4, 4, 1)).astype(np.float32)
    np.testing.assert_array_equal(bound(maps, images, targets), -bound(-maps, images, targets))


def test_the_exact_map_beats_noise(linear):
    bound = metrics.ROAD().bind(linear.model)
    noise = np.random.default_rng(7).normal(size=linear.images.shape)
    exact = bound(linear.contributions(), linear.images, linear.targets)
    assert (exact > np.abs(bound(noise, linear.images, linear.targets))).all()


def test_a_large_colour_image():
    import keras

    model = keras.Sequential(
        [
            keras.Input((224, 224, 3)),
            keras.layers.Conv2D(2, 8, strides=8, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    rng = np.random.default_rng(8)
    images = rng.random((2, 224, 224, 3)).astype(np.float32)
    found = (
        metrics.ROAD(shares=(0.3, 0.9))
        .bind(model)
        .measure(rng.normal(size=(2, 7, 7, 1)).astype(np.float32), images, np.array([0, 2]))
    )
    assert found["morf"].shape == (2, 2)
    assert np.isfinite(found["morf"]).all()
    assert np.isfinite(found["lerf"]).all()
