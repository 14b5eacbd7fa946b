"""A user's own function as an architecture: every way of writing a model, and every mistake."""

import random
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers.lazily import keras

from saliency_bench import network as networks
from saliency_bench.models import Function, Trainer, Training
from saliency_bench.protocols import NetworkName

QUICK = Training(epochs=1, batch_size=16, stop_accuracy=None)
PERMUTED = NetworkName("permuted", 1.0, 0)


def sequential():
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])


def functional():
    images = keras.Input((8, 8, 1))
    hidden = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3)(images))
    return keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(hidden)))


def nested():
    body = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model = keras.Sequential([body, keras.layers.GaussianNoise(0.1), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    return model


def seeded(seed):
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(2, kernel_initializer=initializer)]
    )


def global_noise():
    """Draws without a seed of its own while it is trained."""

    class Noise(keras.layers.Layer):
        def call(self, inputs, training=False):
            if not training:
                return inputs
            return inputs + keras.random.normal(keras.ops.shape(inputs))

    return keras.Sequential([Noise(), keras.layers.Flatten(), keras.layers.Dense(2)])


def ways():
    from helpers.keras_models import Subclassed

    functions = (sequential, functional, nested, seeded, global_noise)
    return {build.__name__: build for build in functions} | {
        "Subclassed": partial(Subclassed, units=4)
    }


WAYS = ["sequential", "functional", "nested", "seeded", "global_noise", "Subclassed"]


def trainer(build, dataset, cache, *, training=QUICK, seed=0):
    return Trainer(Function(build, training), dataset, seed=seed, cache=cache)


@pytest.mark.parametrize("name", WAYS)
def test_networks_differ_repeat_themselves_and_are_found(name, stripes, tmp_path, capsys):
    build = ways()[name]
    assert Function(build).name == name
    states = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = trainer(build, stripes, tmp_path / "one")
    prints = [first(network).fingerprint for network in (NetworkName(), PERMUTED)]
    assert prints[0] != prints[1]
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002

    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])  # Keras counts on
    random.random()
    assert trainer(build, stripes, tmp_path / "two")(PERMUTED).fingerprint == prints[1]

    capsys.readouterr()
    found = trainer(build, stripes, tmp_path / "one").load().model
    assert capsys.readouterr().err == ""
    assert networks.fingerprint(found) == prints[0]
    names = [[layer.name for layer in m._flatten_layers()] for m in (found, first.load().model)]
    assert names[0] == names[1]


def test_a_subclassed_model_with_softmax_and_dropout_learns(stripes, tmp_path):
    from helpers.keras_models import Subclassed

    training = Training(learning_rate=0.01, batch_size=8, stop_accuracy=1.0)
    network = trainer(Subclassed, stripes, tmp_path, training=training)(NetworkName())
    assert network.train_accuracy == network.test_accuracy == 1
    assert len(network.history) < 100


@pytest.mark.usefixtures("untrained")
def one_unit():
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])


def test_a_raw_logit_learns_two_classes(stripes, tmp_path):
    training = Training(learning_rate=0.01, epochs=60, batch_size=16, stop_accuracy=1.0)
    trainer = Trainer(Function(one_unit, training), stripes, seed=0, cache=tmp_path)
    trained, loaded = trainer(NetworkName()), trainer.load()
    assert trained.train_accuracy == 1
    z = loaded.model(stripes.preprocessing(stripes.pixels)).numpy()[:, 0]
    assert trained.test_accuracy == np.mean((z > 0) == stripes.labels)


def test_an_edited_source_is_trained_again(stripes, tmp_path, monkeypatch):
    """Also where weights, configuration and arguments are all the same."""
    source = """
import keras

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.flat, self.head = keras.layers.Flatten(), keras.layers.Dense(2)

    def call(self, images):
        return self.head(self.flat(images)) * SCALE
"""
    monkeypatch.syspath_prepend(tmp_path)
    files = []
    for scale in ("1", "2"):
        (tmp_path / f"own_net_{scale}.py").write_text(source.replace("SCALE", scale))
        module = __import__(f"own_net_{scale}")
        module.Net.__module__ = "own_net"
        monkeypatch.setitem(sys.modules, "own_net", module)
        files.append(trainer(module.Net, stripes, tmp_path / "cache")(NetworkName()).file)
    assert files[0] != files[1]


@pytest.mark.usefixtures("untrained")
def test_arguments_are_part_of_the_key(stripes, tmp_path):
    from helpers.keras_models import Subclassed

    keys = {
        trainer(partial(Subclassed, units=units), stripes, tmp_path)(NetworkName()).file
        for units in (4, 5)
    }
    assert len(keys) == 2


def fixed():
    keras.utils.set_random_seed(0)
    return sequential()


@pytest.mark.usefixtures("untrained")
def test_networks_that_start_alike_are_refused(stripes, tmp_path):
    made = trainer(fixed, stripes, tmp_path)
    state = np.random.get_state()  # noqa: NPY002
    try:
        made(NetworkName())
        with pytest.raises(ValueError, match="must start from different weights") as raised:
            made(PERMUTED)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert "\n" not in str(raised.value)


def pretrained():
    model = functional()
    kernel = next(layer.kernel for layer in model.layers if hasattr(layer, "kernel"))
    kernel.assign(np.arange(np.prod(kernel.shape)).reshape(kernel.shape))
    return model


@pytest.mark.usefixtures("untrained")
def test_weights_in_which_all_networks_start_alike_are_named(stripes, tmp_path):
    free, partly = (trainer(build, stripes, tmp_path) for build in (functional, pretrained))
    for made in (free, partly):
        made(NetworkName())
        made(PERMUTED)
    assert free.alike == ()
    (path,) = partly.alike
    assert path.endswith("kernel")


def number():
    return 3


def raising():
    raise KeyError("no such\nthing")


def flat():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def maps():
    return keras.Sequential([keras.layers.Conv2D(2, 3)])


def few():
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (number, TypeError, "number must return a Keras model, got int"),
        (raising, ValueError, "raising must return a Keras model: it raised KeyError: 'no such"),
        (flat, ValueError, r"model flat must take images of shape \(8, 8, 1\)"),
        (maps, ValueError, r"model must give scores \[N, K\], got shape \(1, 6, 6, 2\)"),
        (few, ValueError, "score for every label, got 1 scores and label 2"),
    ],
)
def test_functions_that_cannot_be(build, error, message, stripes, tmp_path):
    data = replace(stripes, train_labels=2 * stripes.train_labels)
    with pytest.raises(error, match=message) as raised:
        Function(build).load(data, seed=0, cache=tmp_path)
    assert "\n" not in str(raised.value)
