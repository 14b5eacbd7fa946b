"""Ctrl-C during a call from Python is a KeyboardInterrupt, whatever TensorFlow makes of it."""

import signal

import keras
import numpy as np
import pytest
from helpers.lazily import SanityCallback

from saliency_bench import explainers
from saliency_bench.study.evaluate import Options, evaluate

pytestmark = pytest.mark.parametrize("becomes", [None, AssertionError, SystemError, ValueError])


def interrupt(becomes):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as stop:
        raise (becomes or KeyboardInterrupt)("broken off") from (stop if becomes is None else None)


class Loud(keras.layers.Layer):
    """Interrupts when it is called with `armed` set: in TensorFlow's tracing."""

    armed, becomes = False, None

    def call(self, images):
        if self.armed:
            interrupt(self.becomes)
        return images


@pytest.fixture
def images():
    return np.random.default_rng(0).random((6, 8, 8, 1), np.float32)


@pytest.fixture
def model(becomes):
    loud = Loud()
    loud.becomes = becomes
    inputs = keras.Input((8, 8, 1))
    hidden = keras.layers.Flatten()(loud(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(hidden))


def values(model):
    return [variable.numpy().tobytes() for variable in model.variables]


def test_of_a_study(model, images, becomes, tmp_path):
    def explain(model, images, targets):
        interrupt(becomes)

    before, handler = values(model), signal.getsignal(signal.SIGINT)
    given, options = {"mine": explain}, Options(draws=1, run_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, images, None, explainers=given, options=options)
    assert values(model) == before
    assert signal.getsignal(signal.SIGINT) is handler
    given["mine"] = lambda model, images, targets: images
    assert not evaluate(model, images, None, explainers=given, options=options).provenance["failed"]


def test_of_an_explainer_whose_model_is_traced(model, images, becomes):
    model.layers[1].armed = True
    with pytest.raises(KeyboardInterrupt):
        explainers.Gradient()(model, images, np.zeros(6, int))
    model.layers[1].armed = False
    assert explainers.Gradient()(model, images, np.zeros(6, int)).shape == images.shape


def test_of_a_callback_while_a_network_is_trained(model, images, becomes, tmp_path):
    def explain(model, images, targets):
        interrupt(becomes)

    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    watching = SanityCallback(explain, images, np.zeros(6, int), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(images, np.zeros(6, int), verbose=0, callbacks=[watching])
