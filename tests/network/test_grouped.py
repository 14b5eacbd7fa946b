"""Grouped convolutions, whose gradient TensorFlow lacks on a CPU for some types."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from saliency_bench import explainers as ex

ALIKE = pytest.mark.parametrize("dtype", ["float64", "float32", "mixed_float16"])
KINDS = pytest.mark.parametrize(
    ("groups", "options"),
    [
        (4, {"kernel_size": 3, "padding": "same"}),
        (4, {"kernel_size": 2, "strides": 2}),
        (4, {"kernel_size": 2, "dilation_rate": 2}),
        (2, {"kernel_size": 3, "strides": 2, "padding": "same"}),
    ],
)


def grouped(groups, options, dtype, bias=True):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    parts = [
        layers.Conv2D(4, 3, activation="relu", dtype=dtype, use_bias=bias),
        layers.Conv2D(8, groups=groups, activation="relu", dtype=dtype, use_bias=bias, **options),
        layers.Flatten(dtype=dtype),
        layers.Dense(3, dtype=dtype, use_bias=bias),
    ]
    return keras.Sequential([keras.Input((9, 9, 2)), *parts])


@pytest.fixture(scope="module")
def data():
    images = np.random.default_rng(0).random((3, 9, 9, 2)).astype(np.float32)
    return images, np.array([0, 1, 2])


@ALIKE
@KINDS
def test_the_gradient_is_that_of_a_tape(groups, options, dtype, data):
    model = grouped(groups, options, dtype)
    images, targets = data
    pixels = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        scores = tf.gather(model(pixels, training=False), targets, axis=1, batch_dims=1)
    expected = tape.gradient(scores, pixels).numpy()
    atol = (1e-2 if dtype == "mixed_float16" else 1e-5) * np.abs(expected).max()
    np.testing.assert_allclose(ex.Gradient()(model, images, targets), expected, 0, atol)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@KINDS
def test_relevance_and_differences_keep_their_sums(groups, options, dtype, data):
    model = grouped(groups, options, dtype, bias=False)
    images, targets = data
    scores = np.take_along_axis(np.asarray(model(images)), targets[:, None], axis=1)[:, 0]
    for explainer in (ex.LRP("epsilon"), ex.DeepLIFT()):
        maps = explainer(model, images, targets)
        np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), scores, rtol=1e-3, atol=1e-4)
