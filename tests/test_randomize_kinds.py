"""Weights of every kind: quantised, no floats, and those whose initializer only the layer knows."""

import random

import numpy as np
import pytest

from saliency_bench import checks, network, randomize
from saliency_bench import explainers as ex
from saliency_bench.study.evaluate import Options, evaluate

pytestmark = pytest.mark.usefixtures("seeded")

IMAGES = np.random.default_rng(0).random((6, 8, 8, 3)).astype(np.float32)


@pytest.fixture(params=["int8", "int4", "float8"])
def quantized(request):
    import keras

    layers = keras.layers
    parts = [layers.Flatten(), layers.Dense(6, activation="relu"), layers.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *parts])
    for layer in model.layers[1:]:
        layer.quantize(request.param)
    return model


def redrawn(model, **how):
    values = randomize.redraw(model, model.variables, **{"seed": 0, **how})
    return {v.path: (v.numpy(), new) for v, new in zip(model.variables, values, strict=True)}


@pytest.mark.parametrize("policy", randomize.POLICIES)
def test_quantized_weights_keep_to_their_values_in_another_order(quantized, policy):
    for path, (own, new) in redrawn(quantized, policy=policy).items():
        assert new.dtype == own.dtype
        if own.dtype.kind == "i" or "scale" in path or "g_idx" in path:
            np.testing.assert_array_equal(np.sort(new, axis=None), np.sort(own, axis=None))
            assert (new == new.flat[0]).all() or not np.array_equal(new, own), path


def test_a_quantized_kernel_is_another_one_in_every_draw(quantized):
    kernel = quantized.layers[1]._kernel
    first, again, other = (
        randomize.redraw(quantized, [kernel], seed=0, draw=draw)[0] for draw in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_quantized_weights_are_no_statistics(quantized):
    (last, *_) = randomize.blocks(quantized)
    assert network.trained(quantized, last).variables == last.variables


def test_a_quantized_network_is_judged(quantized):
    before = network.fingerprint(quantized)
    found = evaluate(
        quantized, IMAGES, None, explainers={"occlusion": ex.Occlusion(patch=4, stride=4)},
        checks=[checks.ParameterRandomization()], options=Options(draws=1),
    )  # fmt: skip
    changed = found.networks.query("stage > 0")["variables_changed"]
    assert (changed > 0).all()
    assert network.fingerprint(quantized) == before


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint32", "bool"])
def test_weights_that_are_no_floats_are_permuted_and_come_back(dtype):
    import keras

    class Table(keras.layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(
                shape=(5,), initializer="zeros", dtype=dtype, trainable=False, name="table"
            )

        def call(self, values):
            return values * keras.ops.cast(self.table[0], "float32")

    layers = [Table(), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    table = model.layers[0].table
    table.assign(np.array([0, 1, 1, 1, 0]).astype(dtype))
    own, new = redrawn(model)[table.path]
    assert new.dtype == own.dtype
    assert sorted(new) == sorted(own)
    assert not np.array_equal(new, own)
    net = network.KerasNetwork(model)
    place = [v.path for v in model.variables].index(table.path)
    with net.changed({place: new}):
        np.testing.assert_array_equal(table.numpy(), new)
    np.testing.assert_array_equal(table.numpy(), own)


# ---------------------------------------------------------------- what only the layer knows


def patches(**settings):
    """The patches of a vision transformer, with a class token and embeddings of the places."""
    import keras

    class Tokens(keras.layers.Layer):
        def __init__(self, width, spread=0.5, **kwargs):
            super().__init__(**kwargs)
            self.width, self.spread = width, spread
            self.project = keras.layers.Dense(width)

        def build(self, shape):
            spread = keras.initializers.RandomNormal(stddev=self.spread)
            self.token = self.add_weight(shape=(1, 1, self.width), initializer="ones")
            self.places = self.add_weight((1, 1 + shape[1], self.width), spread, name="places")
            self.gain = self.add_weight((self.width,), "glorot_uniform", name="gain")

        def call(self, values):
            token = keras.ops.repeat(self.token, keras.ops.shape(values)[0], axis=0)
            tokens = keras.ops.concatenate([token, self.project(values)], axis=1)
            return (tokens + self.places) * self.gain

    layers = keras.layers
    images = keras.Input((8, 8, 3))
    tokens = Tokens(200, **settings)(layers.Reshape((16, 12))(images))
    tokens += layers.MultiHeadAttention(2, 4)(tokens, tokens)
    return keras.Model(images, layers.Dense(3)(tokens[:, 0]))


def test_class_token_and_places_of_a_vision_transformer_are_made_as_at_first():
    model = patches(spread=0.25)
    layer = next(layer for layer in model.layers if hasattr(layer, "token"))
    for variable in (layer.token, layer.places, layer.gain):
        variable.assign(7 + 3 * np.random.default_rng(0).standard_normal(variable.shape))
    token, places, gain = randomize.redraw(model, [layer.token, layer.places, layer.gain], seed=0)
    assert (token == 1).all()
    assert places.std() == pytest.approx(0.25, rel=0.05)
    assert abs(places.mean()) < 0.02
    limit = np.sqrt(6 / (200 + 200))
    assert np.abs(gain).max() <= limit
    assert gain.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)


def test_gains_of_a_convnext_are_made_as_at_first():
    import keras

    model = keras.applications.ConvNeXtTiny(weights=None, input_shape=(32, 32, 3), classes=3)
    gains = [
        layer.gamma for layer in model._flatten_layers() if type(layer).__name__ == "LayerScale"
    ]
    for gain in gains:
        gain.assign(np.random.default_rng(0).standard_normal(gain.shape))
    assert len(gains) == 18
    for new in randomize.redraw(model, gains, seed=0):
        np.testing.assert_array_equal(new, np.full(new.shape, 1e-6, np.float32))


def test_a_layer_is_asked_without_a_trace():
    import keras

    model = patches()
    name, python = keras.layers.Dense(1).name, random.getstate()
    randomize.redraw(model, model.variables, seed=0)
    assert random.getstate() == python
    first, second = (int(n.rpartition("_")[2] or 0) for n in (name, keras.layers.Dense(1).name))
    assert second == first + 1


def test_a_layer_that_cannot_be_made_again_is_redrawn_as_documented():
    import keras

    class Gain(keras.layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def build(self, shape):
            self.gain = self.add_weight(shape=(500,), initializer="ones", name="gain")

        def get_config(self):
            raise RuntimeError("no configuration")

        def call(self, values):
            return self.function(values) * self.gain[0]

    layers = [Gain(lambda x: x), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    gain = model.layers[0].gain
    gain.assign(3 + 0.5 * np.random.default_rng(0).standard_normal(500))
    (new,) = randomize.redraw(model, [gain], seed=0)
    assert (new.mean(), new.std()) == pytest.approx((3, 0.5), rel=0.1)


def patch_embedding(base):
    """A layer or model of one class whose code alone knows how its weights are made."""
    import keras

    class Embedding(base):
        def __init__(self, stack=True):
            super().__init__()
            self.rest = (
                keras.Sequential([keras.layers.Dense(8)]) if stack else keras.layers.Dense(8)
            )

        def build(self, shape):
            near = keras.initializers.RandomNormal(stddev=0.02)
            self.token = self.add_weight(shape=(1, 1, 8), initializer="zeros", name="token")
            self.places = self.add_weight(shape=(1, 50, 8), initializer=near, name="places")
            self.gain = self.add_weight(
                shape=(8,), initializer=keras.initializers.Constant(0.1), name="gain"
            )
            self.rest.build((None, 50, 8))
            super().build(shape)

        def call(self, images):
            tokens = keras.ops.reshape(images, (-1, 49, 8))
            first = keras.ops.broadcast_to(self.token, (keras.ops.shape(images)[0], 1, 8))
            tokens = keras.ops.concatenate([first, tokens], axis=1) + self.places
            return keras.ops.mean(self.gain * self.rest(tokens), axis=1)

    return Embedding


@pytest.mark.parametrize("stack", [False, True], ids=["dense", "sequential"])
@pytest.mark.parametrize("base", ["Layer", "Model"])
def test_what_holds_a_model_or_is_one_tells_how_its_weights_are_made(base, stack):
    import keras

    own = patch_embedding(getattr(keras, base))(stack)
    model = own if base == "Model" else keras.Sequential([keras.Input((14, 14, 2)), own])
    model(np.zeros((1, 14, 14, 2), np.float32))
    weights = [own.token, own.places, own.gain]
    for variable in weights:
        variable.assign(np.random.default_rng(0).normal(1, 0.3, variable.shape))
    token, places, gain = randomize.redraw(model, weights, seed=0)
    assert (token == 0).all()
    assert places.std() == pytest.approx(0.02, rel=0.1)
    np.testing.assert_array_equal(gain, np.full(8, 0.1, np.float32))
