"""LRP where no ReLU follows: an output may have negative parts only, and passes on what it has."""

import keras
import numpy as np
import pytest
from keras import layers

from saliency_bench import explainers as ex

RULES = pytest.mark.parametrize("rule", ["z_plus", "alpha_beta", "gamma", "epsilon_plus"])
IMAGES = np.array([1, 2], np.float32).reshape(1, 1, 2, 1)


def test_negative_parts_share_what_an_output_without_positive_ones_has():
    model = keras.Sequential([keras.Input((1, 2, 1)), layers.Flatten(), layers.Dense(2)])
    model.set_weights([np.array([[-1, 1], [-3, -1]], np.float32), np.zeros(2, np.float32)])
    maps = ex.LRP("z_plus")(model, np.repeat(IMAGES, 2, axis=0), np.array([0, 1]))
    # z = -1 - 6: both parts are negative. z = 1 - 2: all of |z| goes along the positive part.
    np.testing.assert_allclose(maps.reshape(2, 2), [[1, 6], [1, 0]], rtol=1e-6)


def test_a_sum_of_two_negative_branches_is_shared_in_their_proportion():
    images = keras.Input((1, 2, 1))
    branches = [
        layers.Conv2D(1, 1, use_bias=False, kernel_initializer=keras.initializers.Constant(w))
        for w in (-1.0, -3.0)
    ]
    total = layers.Add()([branch(layers.Cropping2D(crop)(images)) for branch, crop in zip(
        branches, (((0, 0), (0, 1)), ((0, 0), (1, 0))), strict=True
    )])  # fmt: skip
    model = keras.Model(images, layers.Dense(2, kernel_initializer="ones")(layers.Flatten()(total)))
    maps = ex.LRP("z_plus")(model, IMAGES, np.array([0]))
    np.testing.assert_allclose(maps.ravel(), [1, 6], rtol=1e-6)


@RULES
def test_linear_bottlenecks_keep_the_magnitude(rule):
    """As in MobileNetV2: no activation behind a block's last convolution, and sums of blocks."""
    keras.utils.set_random_seed(0)
    images = keras.Input((9, 9, 2))
    features = layers.Conv2D(4, 3, strides=2, use_bias=False)(images)
    for _ in range(3):
        wide = layers.Conv2D(6, 1, activation="relu6", use_bias=False)(features)
        deep = layers.DepthwiseConv2D(3, padding="same", activation="relu6", use_bias=False)(wide)
        features = features + layers.Conv2D(4, 1, use_bias=False)(deep)
    features = layers.SeparableConv2D(4, 4, use_bias=False)(features)
    model = keras.Model(images, layers.Dense(3, use_bias=False)(layers.Flatten()(features)))
    pixels = np.random.default_rng(0).normal(size=(6, 9, 9, 2)).astype(np.float32)
    targets = np.arange(6) % 3
    scores = np.take_along_axis(np.asarray(model(pixels)), targets[:, None], axis=1)[:, 0]
    maps = ex.LRP(rule)(model, pixels, targets)
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), np.abs(scores), rtol=1e-3)
