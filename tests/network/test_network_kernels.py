"""Compiled functions of rows: batches, padding, live weights, and nothing left behind."""

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.protocols import BLOCK

pytestmark = pytest.mark.usefixtures("seeded")


def scores(traced):
    return traced.scores


def call_attributes(model):
    return [layer for layer in model._flatten_layers() if "call" in layer.__dict__]


def test_rows_at_once_hold_inside_and_come_back():
    inside = []

    def fail():
        inside.append(network.rows_at_once())
        raise RuntimeError

    with pytest.raises(RuntimeError), network.evaluating(7):
        fail()
    assert inside == [7]
    assert network.rows_at_once() == BLOCK


@pytest.mark.parametrize("batch", [1, 2, 5, 8])
def test_rows_do_not_depend_on_the_batch_size(functional, images, reference, batch):
    with network.evaluating(batch):
        kernel = network.Kernel(functional, scores)
    np.testing.assert_allclose(kernel(images), reference["logits"], rtol=1e-4, atol=1e-4)


def test_rows_are_the_same_bits_in_any_batch_of_one_size(functional, images):
    with network.evaluating(4):
        kernel = network.Kernel(functional, scores)
    together = kernel(images)
    for index in range(len(images)):
        np.testing.assert_array_equal(kernel(images[index : index + 1])[0], together[index])


def test_the_score_is_the_targets_logit(functional, images, targets, reference):
    found = network.target_score(functional)(images, targets)
    expected = reference["logits"][np.arange(5), targets]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_target_that_is_no_class_is_refused(functional, images, wrong):
    with pytest.raises(ValueError, match=rf"targets must lie in 0\.\.2; got {wrong}"):
        network.target_score(functional)(images, np.array([0, 1, wrong, 0, 1]))


def test_nothing_is_left_behind_when_tracing_fails(model):
    def broken(traced):
        raise ValueError("body")

    with pytest.raises(ValueError, match="body"):
        network.Kernel(model, broken)
    assert not call_attributes(model)


def test_nothing_is_left_behind_when_tracing_works(model):
    network.Kernel(model, scores)
    assert not call_attributes(model)


def test_eager_functions_are_as_they_were(functional):
    import tensorflow as tf

    network.Kernel(functional, scores)
    assert not tf.config.functions_run_eagerly()


def test_a_call_of_the_users_own_stays(fresh_model_of, images):
    model = fresh_model_of("functional")
    layer = model.get_layer("flatten")
    original = layer.call

    def doubled(values):
        return 2 * original(values)

    plain = network.Kernel(model, scores)(images)
    layer.call = doubled
    changed = network.Kernel(model, scores)(images)
    assert layer.call is doubled
    bias = model.get_layer("head").bias.numpy()
    np.testing.assert_allclose(changed - bias, 2 * (plain - bias), rtol=1e-4, atol=1e-4)


def test_an_unbuilt_model_is_refused_and_stays_unbuilt(images, targets):
    import keras

    class Unbuilt(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Dense(3)

        def call(self, images):
            return self.head(keras.ops.reshape(images, (-1, 288)))

    model = Unbuilt()
    with pytest.raises(ValueError, match="must be built"):
        ex.Gradient()(model, images, targets)
    assert not model.variables


def test_image_size_may_be_open(targets):
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None, None, 2)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(0)
    for explainer, channels in ((ex.Gradient(), 2), (ex.GradCAM(), 1), (ex.Occlusion(), 1)):
        bound = explainer.bind(model)
        for height, width in ((7, 9), (12, 8), (7, 9)):
            images = rng.normal(size=(5, height, width, 2)).astype(np.float32)
            assert bound(images, targets).shape == (5, height, width, channels)


@pytest.mark.parametrize("count", [1, 40])
def test_one_image_and_many(functional, count):
    images = np.random.default_rng(0).normal(size=(count, 12, 12, 2)).astype(np.float32)
    targets = np.arange(count) % 3
    maps = ex.Gradient()(functional, images, targets)
    last = ex.Gradient()(functional, images[-1:], targets[-1:])
    np.testing.assert_allclose(maps[-1], last[0], rtol=1e-4, atol=1e-5)
