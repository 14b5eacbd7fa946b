"""Guided backpropagation against hand arithmetic, and where it does not apply."""

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench.protocols import NotApplicable

FIRST = np.array([[1.0, -1.0], [1.0, 1.0]])
SECOND = np.array([[1.0, 1.0], [-2.0, 1.0]])
HEAD = np.array([[1.0, -1.0], [2.0, 3.0]])

IMAGES = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, -1.0]], np.float32).reshape(3, 1, 1, 2)
TARGETS = np.array([0, 1, 1])

# Image [1, 2]: z1 = [3, 1], z2 = [1, 4], all ReLUs open. Class 0 sends [1, 2] back to z2, then
# [3, 0] to z1. Class 1 sends [-1, 3], of which [0, 3] passes, then [3, 3].
# Image [2, -1]: z1 = [1, -3], the second unit is shut. Class 1: [0, 3], then [3, 0].
BY_HAND = np.array([[3.0, 3.0], [0.0, 6.0], [3.0, 3.0]])
# The plain gradient of class 1 at [1, 2]: [-1, 3], then [2, 5].
GRADIENT_BY_HAND = np.array([-3.0, 7.0])


def _fused(dense):
    return dense("relu")


def _layer(dense):
    import keras

    return [*dense(None), keras.layers.ReLU()]


def _relu6_layer(dense):
    import keras

    return [*dense(None), keras.layers.ReLU(max_value=6.0)]


def _activation(dense):
    import keras

    return [*dense(None), keras.layers.Activation("relu")]


def _ops(dense):
    import keras

    return [*dense(None), keras.layers.Lambda(keras.ops.relu)]


def _tensorflow(dense):
    import keras
    import tensorflow as tf

    return [*dense(None), keras.layers.Lambda(tf.nn.relu)]


def _relu6(dense):
    return dense("relu6")


WAYS = (_fused, _layer, _relu6_layer, _activation, _ops, _tensorflow, _relu6)


def toy(way, *, weights=(FIRST, SECOND, HEAD)):
    import keras

    def dense(activation):
        return [keras.layers.Dense(2, activation=activation, use_bias=False)]

    model = keras.Sequential(
        [
            keras.Input((1, 1, 2)),
            keras.layers.Flatten(),
            *way(dense),
            *way(dense),
            keras.layers.Dense(2, use_bias=False),
        ]
    )
    model.set_weights(weights)
    return model


@pytest.mark.parametrize("way", WAYS)
def test_guided_backprop_by_hand_however_the_relu_is_written(way):
    maps = ex.GuidedBackprop()(toy(way), IMAGES, TARGETS)
    np.testing.assert_allclose(maps.reshape(3, 2), BY_HAND, rtol=1e-6)


def test_guided_backprop_by_hand_in_a_functional_model_with_ops():
    import keras

    images = keras.Input((1, 1, 2))
    hidden = keras.layers.Flatten()(images)
    for _ in range(2):
        hidden = keras.ops.relu(keras.layers.Dense(2, use_bias=False)(hidden))
    outer = keras.Input((1, 1, 2))
    inner = keras.Model(images, keras.layers.Dense(2, use_bias=False)(hidden))
    model = keras.Model(outer, keras.ops.softmax(inner(outer)))
    model.set_weights([FIRST, SECOND, HEAD])
    maps = ex.GuidedBackprop()(model, IMAGES, TARGETS)
    np.testing.assert_allclose(maps.reshape(3, 2), BY_HAND, rtol=1e-6)


def test_guided_backprop_by_hand_with_1x1_convolutions():
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((1, 1, 2)),
            layers.Conv2D(2, 1, activation="relu", use_bias=False),
            layers.Conv2D(2, 1, activation="relu", use_bias=False),
            layers.Flatten(),
            layers.Dense(2, use_bias=False),
        ]
    )
    model.set_weights([FIRST[None, None], SECOND[None, None], HEAD])
    maps = ex.GuidedBackprop()(model, IMAGES, TARGETS)
    np.testing.assert_allclose(maps.reshape(3, 2), BY_HAND, rtol=1e-6)


def test_the_plain_gradient_is_another_one_and_stays_so():
    model = toy(_fused)
    ex.GuidedBackprop()(model, IMAGES, TARGETS)
    maps = ex.Gradient()(model, IMAGES, TARGETS)
    np.testing.assert_allclose(maps[1].ravel(), GRADIENT_BY_HAND, rtol=1e-6)


def test_guided_is_plain_where_all_that_comes_back_is_positive():
    model = toy(_fused, weights=(FIRST, np.abs(SECOND), np.abs(HEAD)))
    guided = ex.GuidedBackprop()(model, IMAGES, TARGETS)
    np.testing.assert_array_equal(guided, ex.Gradient()(model, IMAGES, TARGETS))


def test_guided_differs_from_plain_in_every_kind(model, images, targets):
    guided = ex.GuidedBackprop()(model, images, targets)
    assert not np.allclose(guided, ex.Gradient()(model, images, targets))


@pytest.mark.parametrize("explainer", [ex.GuidedBackprop(), ex.GuidedGradCAM()])
def test_networks_without_a_relu_are_refused(explainer, images, targets):
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(2, 3, activation="gelu"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    with pytest.raises(NotApplicable, match="no ReLU"):
        explainer.bind(model)


def _in_a_loop(dense):
    """A ReLU in a graph of its own, which the override does not reach."""
    import keras
    import tensorflow as tf

    def loop(z):
        return tf.while_loop(
            lambda i, _: i < 1, lambda i, v: (i + 1, tf.nn.relu(v)), [0, z], maximum_iterations=1
        )[1]

    return [*dense("relu"), keras.layers.Lambda(loop)]


def test_networks_with_a_hidden_relu_are_refused():
    with pytest.raises(NotApplicable, match="only 2 of the 4 ReLUs"):
        ex.GuidedBackprop().bind(toy(_in_a_loop))
