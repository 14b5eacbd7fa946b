"""The weights that a training gives are, bit for bit, those that it gives without callbacks."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.lazily import ExplanationCallback, Sanity, SanityCallback, keras, read_maps, tf

from saliency_bench import explainers

EPOCHS = 2
KINDS = ("sequential", "functional", "nested", "subclassed", "train_step", "eager", "mixed")


def state(model) -> list[bytes]:
    """Weights, statistics, seeds and the optimizer's state."""
    variables = [*model.variables, *model.optimizer.variables]
    return [variable.numpy().tobytes() for variable in variables]


def trained(model, data, callbacks=(), **settings):
    history = model.fit(
        *data, epochs=EPOCHS, batch_size=16, verbose=0, callbacks=list(callbacks), **settings
    )
    return state(model), history.history


def both(given, images, targets, folder: Path):
    yield ExplanationCallback(given, images, targets, folder)
    yield SanityCallback(given, images, targets, folder, sanity=Sanity(draws=2))


@pytest.mark.parametrize(
    "kind", ["sequential", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]
)
def test_of_networks_of_all_kinds(kind, network, data, images, targets, tmp_path):
    given = {
        "gradient": explainers.Gradient(),
        "guided_backprop": explainers.GuidedBackprop(),
        "grad_cam": explainers.GradCAM(),
    }
    plain = trained(network(kind), data, validation_split=0.25)
    callbacks = both(given, images, targets, tmp_path)
    watched = trained(network(kind), data, callbacks, validation_split=0.25)
    assert watched == plain
    runs = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_dir()}
    assert runs >= {Path("explanations"), Path("sanity/redrawn"), Path("sanity/previous")}


def _numpy_noise():
    return np.random.random()  # noqa: NPY002


def greedy(model, images, targets):
    """Draws from every global stream, predicts, and spoils the metrics."""
    noise = random.random() + _numpy_noise() + float(tf.random.normal([]))
    noise += float(keras.random.normal([])) + float(tf.random.uniform([]))
    model.predict(images, verbose=0)
    model.evaluate(images, targets, verbose=0)
    keras.layers.Dense(2).build((None, 3))
    return np.abs(images) * noise


def seeding(model, images, targets):
    keras.utils.set_random_seed(9)
    return images


def noisy():
    """A layer that takes noise from global streams, whether it is trained or not."""

    class Noisy(keras.layers.Layer):
        def call(self, values):
            noise = tf.random.normal(tf.shape(values)) + keras.random.normal(tf.shape(values))
            return values + 0.1 * noise + 0.01 * _numpy_noise() + 0.01 * random.random()

    return Noisy()


@pytest.mark.slow
@pytest.mark.parametrize(("eagerly", "mine"), [(True, greedy), (False, greedy), (True, seeding)])
def test_if_explainers_and_layers_use_global_streams(
    eagerly, mine, data, images, targets, tmp_path
):
    def network():
        keras.backend.clear_session()
        keras.utils.set_random_seed(5)
        layers = [noisy(), keras.layers.Flatten(), keras.layers.Dense(3)]
        model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, run_eagerly=eagerly)
        return model

    plain = trained(network(), data)
    given = {"mine": mine, "gradient": explainers.Gradient()}
    assert trained(network(), data, both(given, images, targets, tmp_path)) == plain


def test_if_an_explainer_spoils_everything(network, data, images, targets, tmp_path):
    def vandal(model, images, targets):
        model.optimizer.iterations.assign(100)
        model.set_weights([np.zeros(w.shape) for w in model.get_weights()])
        raise RuntimeError("and raises")

    def quiet_vandal(model, images, targets):
        model.layers[-1].kernel.assign(model.layers[-1].kernel * 2)
        return images

    given = {"vandal": vandal, "quiet": quiet_vandal}
    plain = trained(network("functional"), data)
    callbacks = both(given, images, targets, tmp_path)
    assert trained(network("functional"), data, callbacks) == plain


def test_if_training_goes_on_in_a_second_fit(network, data, images, targets, tmp_path):
    def twice(callbacks):
        model = network("sequential")
        for first in (0, 2):
            model.fit(
                *data, initial_epoch=first, epochs=first + 2, verbose=0, callbacks=list(callbacks)
            )
        return state(model)

    assert twice(list(both(explainers.Gradient(), images, targets, tmp_path))) == twice([])


def test_no_graph_is_left_stale(network, data, images, targets, tmp_path):
    """What the trained model predicts is what its weights say, in a model made anew."""
    model = network("nested")
    trained(model, data, both(explainers.GuidedBackprop(), images, targets, tmp_path))
    other = network("nested")
    other.set_weights(model.get_weights())
    assert np.array_equal(model.predict(images, verbose=0), other.predict(images, verbose=0))
    before = [layer.__dict__.get("call") for layer in model._flatten_layers()]
    assert before == [None] * len(before)


UNSEEDED = """
import keras
import numpy as np

from saliency_bench import explainers
from saliency_bench.callbacks import ExplanationCallback, SanityCallback, read_maps

images, targets = np.random.rand(6, 8, 8, 1), np.arange(6) % 3
layers = [keras.layers.Flatten(), keras.layers.Dense(3)]
model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
watching = [
    kind(explainers.Gradient(), images, targets, "logs")
    for kind in (ExplanationCallback, SanityCallback)
]
model.fit(images, targets, epochs=1, verbose=0, callbacks=watching)
print(sorted(read_maps("logs")["Gradient"]))
"""


@pytest.mark.slow
def test_if_nobody_set_a_seed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", UNSEEDED], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[0, 1]", done.stderr


def test_what_was_recorded_survives_a_training_that_is_cut_off(
    network, data, images, targets, tmp_path
):
    class Cut(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    callback = ExplanationCallback(explainers.Gradient(), images, targets, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        network("functional").fit(*data, epochs=3, verbose=0, callbacks=[callback, Cut()])
    assert sorted(read_maps(tmp_path)["Gradient"]) == [0, 1]
