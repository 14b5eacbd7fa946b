"""DeepLIFT through normalisations, also of zeros: its sum, its size, its quotients by hand."""

import numpy as np
import pytest
from helpers.lazily import keras, layers

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.randomize import redraw

pytestmark = pytest.mark.usefixtures("seeded")

TARGETS = np.array([0, 1, 2, 1])
ZEROS = 1e-6
"""What is added to a variance, as usual in ConvNeXt and vision transformers."""


def images():
    return np.random.default_rng(5).normal(size=(4, 8, 8, 2)).astype(np.float32)


def variance(hidden):
    return keras.ops.mean(keras.ops.square(hidden), axis=-1, keepdims=True) + ZEROS


def response_norm(hidden):
    """That of ConvNeXtV2 (Woo et al., 2023)."""
    norm = keras.ops.sqrt(keras.ops.sum(keras.ops.square(hidden), axis=(1, 2), keepdims=True))
    return hidden + hidden * (norm / (keras.ops.mean(norm, axis=-1, keepdims=True) + ZEROS))


WRITTEN = {
    "root below": lambda x: x / keras.ops.sqrt(variance(x)),
    "reciprocal root": lambda x: x * keras.ops.rsqrt(variance(x)),
    "root first": lambda x: keras.ops.rsqrt(variance(x)) * x,
    "power": lambda x: x * variance(x) ** -0.5,
    "one over the root": lambda x: x * (1 / keras.ops.sqrt(variance(x))),
    "scaled": lambda x: x * (keras.ops.rsqrt(variance(x)) * 4.0) / 4.0,
    "clipped": lambda x: x * keras.ops.minimum(keras.ops.rsqrt(variance(x)), 1e9),
    "two factors": lambda x: x * (variance(x) ** -0.25 * variance(x) ** -0.25),
}
"""Ways to write one normalisation."""

NORMS = {
    "layer norm": lambda: layers.LayerNormalization(epsilon=ZEROS),
    "rms norm": lambda: layers.RMSNormalization(),
    "unit norm": lambda: layers.UnitNormalization(),
    "group norm": lambda: layers.GroupNormalization(2, epsilon=ZEROS),
    "response norm": lambda: layers.Lambda(response_norm),
    **{name: lambda way=way: layers.Lambda(way) for name, way in WRITTEN.items()},
}


def without_biases(norm, depth=3):
    """Residual blocks of ConvNeXt's kind; all biases are 0, so that zeros stay zeros."""
    first = keras.Input((8, 8, 2))
    hidden = norm()(layers.Conv2D(8, 2, strides=2)(first))
    for _ in range(depth):
        own = norm()(layers.DepthwiseConv2D(3, padding="same")(hidden))
        own = layers.Dense(8)(layers.Dense(16, activation="gelu")(own))
        hidden = layers.Add()([hidden, own])
    hidden = layers.GlobalAveragePooling2D()(norm()(hidden))
    return keras.Model(first, layers.Dense(3)(hidden))


def differences(model, baseline):
    score = network.target_score(model)
    return score(images(), TARGETS) - score(np.full_like(images(), baseline), TARGETS)


def assert_complete(maps, difference):
    sums = maps.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, difference, 0, 1e-4 * np.abs(difference).max())


@pytest.mark.parametrize("norm", NORMS)
def test_a_normalisation_of_zeros_sums_to_the_difference_and_stays_small(norm):
    """The mean of two scales is 1 / (2 sqrt(epsilon)): maps were 1e8 times too large."""
    model = without_biases(NORMS[norm])
    found = ex.DeepLIFT()(model, images(), TARGETS)
    assert_complete(found, differences(model, 0.0))
    path = ex.IntegratedGradients(steps=64)(model, images(), TARGETS)
    assert np.abs(found).max() < 2 * np.abs(path).max()


def test_its_size_does_not_grow_with_depth():
    sizes = []
    for depth in (1, 12):
        model = without_biases(NORMS["layer norm"], depth)
        found = ex.DeepLIFT()(model, images(), TARGETS)
        assert_complete(found, differences(model, 0.0))
        sizes.append(np.abs(found).max())
    assert sizes[1] < 10 * sizes[0]


def test_a_network_that_is_redrawn_whole_has_a_map_that_sums_to_the_difference():
    """The last stage of parameter randomization: biases are drawn anew, as 0."""
    model = without_biases(NORMS["layer norm"])
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
        variable.assign(variable + rng.normal(0, 0.3, variable.shape))
    redrawn = redraw(model, model.trainable_variables, seed=0)
    for variable, value in zip(model.trainable_variables, redrawn, strict=True):
        variable.assign(value)
    assert_complete(ex.DeepLIFT()(model, images(), TARGETS), differences(model, 0.0))


@pytest.mark.parametrize("baseline", [0.0, 0.4])
def test_every_way_to_write_a_normalisation_has_the_same_map(baseline):
    expected = None
    for way in WRITTEN.values():
        model = without_biases(lambda way=way: layers.Lambda(way))
        expected = expected or (model.get_weights(), ex.DeepLIFT(baseline)(model, *batch()))
        model.set_weights(expected[0])
        found = ex.DeepLIFT(baseline)(model, *batch())
        np.testing.assert_allclose(found, expected[1], 0, 2e-4 * np.abs(expected[1]).max())


def batch():
    return images(), TARGETS


def of_two_channels(function):
    """A network whose score is a function of the two channels of its one pixel."""
    first = keras.Input((1, 1, 2))
    value = layers.Lambda(lambda x: function(x[..., :1], x[..., 1:]))(first)
    return keras.Model(first, layers.Dense(1, kernel_initializer="ones")(layers.Flatten()(value)))


@pytest.mark.parametrize("written", ["quotient", "product"])
@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        # 1 -> 3/2: factors (1 + 2) / 5 and -(2 + 3/2) / 5.
        ((1, 3), (1, 2), (1.2, -0.7)),
        # -1 -> 3/2: 1 / 5 and -(-2 - 3/2) / 5.
        ((1, 3), (-1, 2), (0.4, 2.1)),
        # What is divided by stays: the quotient is linear. What is above stays.
        ((1, 3), (2, 2), (1.0, 0.0)),
        ((2, 2), (1, 4), (0.0, -1.5)),
        # From 0 / 0.001 and from 4 / 2 to it: the small divisor does not count.
        ((0, 4), (1e-3, 2), (2.0, 0.0)),
        ((4, 0), (2, 1e-3), (-2.0, 0.0)),
    ],
)
def test_a_quotient_by_hand(written, above, below, expected):
    """`y - y' = ((b + b') (a - a') - (b y' + b' y) (b - b')) / (b^2 + b'^2)`."""
    ways = {"quotient": lambda a, b: a / b, "product": lambda a, b: keras.ops.reciprocal(b) * a}
    model = of_two_channels(ways[written])
    image, baseline = (np.float32([above[i], below[i]]).reshape(1, 1, 1, 2) for i in (1, 0))
    found = ex.DeepLIFT(baseline[0])(model, image, np.array([1])).ravel()
    np.testing.assert_allclose(found, expected, atol=5e-3 if 1e-3 in below else 1e-6)


def test_from_zeros_a_unit_norm_divides_by_a_constant():
    """Map `x w / |x|`; a pixel of zeros, which stays, gets 0."""
    first = keras.Input((2, 1, 3))
    hidden = layers.Flatten()(layers.UnitNormalization()(first))
    model = keras.Model(first, layers.Dense(2)(hidden))
    image = np.float32([[1, 2, 2], [0, 0, 0]]).reshape(1, 2, 1, 3)
    weights = model.layers[-1].kernel.numpy()[:, 1].reshape(2, 1, 3)
    found = ex.DeepLIFT()(model, image, np.array([1]))
    np.testing.assert_allclose(found[0], image[0] * weights / 3, rtol=1e-5)


@pytest.mark.parametrize("norm", ["layer norm", "rms norm", "unit norm", "root below"])
def test_near_the_baseline_a_normalisation_has_its_gradient_halfway(norm):
    model = without_biases(NORMS[norm], depth=1)
    step = np.float32(1e-2) * images()
    found = ex.DeepLIFT(0.4)(model, 0.4 + step, TARGETS)
    expected = ex.Gradient()(model, 0.4 + step / 2, TARGETS) * step
    np.testing.assert_allclose(found, expected, 0, 5e-3 * np.abs(expected).max())
