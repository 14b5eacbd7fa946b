"""A network that changes, or differs, when it is merely run is refused; any other one is not."""

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench import network

pytestmark = pytest.mark.usefixtures("seeded")

RANDOM = "is random at inference"
WRITES = "must be the same after it was run"


def bound_to(middle):
    """A subclassed model with `middle`, a layer or a function, between its layers."""
    import keras

    layers = keras.layers

    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.conv = layers.Conv2D(3, 3, activation="relu")
            self.pool = layers.GlobalAveragePooling2D()
            self.dense = layers.Dense(3)
            self.middle = middle

        def call(self, images, training=False):
            return self.dense(self.pool(self.middle(self.conv(images))))

    model = Model()
    model(np.zeros((1, 8, 8, 2), np.float32))
    return model


def always_training(name, *settings):
    """A layer that a wrapper calls with training=True, as a careless `call` does."""
    import keras

    class Careless(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="careless")
            self.inner = getattr(keras.layers, name)(*settings, name="inner")

        def call(self, values, training=False):
            return self.inner(values, training=True)

    return Careless()


def counting(where):
    """A layer that counts how often it is run: in a weight, a plain attribute, a loop, a graph."""
    import keras
    import tensorflow as tf

    class Counter(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="counter")
            self.plain = tf.Variable(0.0)
            self.graph = tf.function(self._count).get_concrete_function()

        def build(self, shape):
            self.runs = self.add_weight(shape=(), initializer="zeros", trainable=False, name="runs")

        def _count(self):
            return self.plain.assign_add(1.0)

        def call(self, values):
            if where == "weight":
                self.runs.assign_add(1.0)
            elif where == "attribute":
                self._count()
            elif where == "graph":
                self.graph()
            elif where == "branch":
                tf.cond(tf.reduce_sum(values) > 0, self._count, lambda: 0.0)
            elif where == "loop":
                tf.while_loop(lambda i: i < 2, lambda i: [i + 1 + 0 * self._count()], [0.0])
            return values

    return Counter()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Dropout", (0.5,)),
        ("SpatialDropout2D", (0.5,)),
        ("GaussianNoise", (1.0,)),
        ("RandomFlip", ()),
    ],
)
def test_a_random_layer_is_named_and_its_seed_is_left_alone(name, settings):
    model = bound_to(always_training(name, *settings))
    before = [variable.numpy() for variable in model.variables]
    with pytest.raises(ValueError, match=f"layer 'inner' {RANDOM}"):
        network.KerasNetwork(model)
    assert all(map(np.array_equal, before, (variable.numpy() for variable in model.variables)))


def test_batch_norm_that_trains_is_named_by_its_variable_and_left_alone(images, targets):
    model = bound_to(always_training("BatchNormalization"))
    before = [variable.numpy() for variable in model.variables]
    for bind in (network.KerasNetwork, ex.Gradient().bind, ex.GradCAM().bind, ex.RISE().bind):
        with pytest.raises(ValueError, match=f"{WRITES}.*'net/careless/inner/moving_mean'"):
            bind(model)
    assert all(map(np.array_equal, before, (variable.numpy() for variable in model.variables)))


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("weight", "net/counter/runs"),
        ("attribute", "counter.plain"),
        ("graph", "counter.plain"),
        ("branch", "counter.plain"),
        ("loop", "counter.plain"),
    ],
)
def test_a_counter_is_found_wherever_it_counts(where, name):
    model = bound_to(counting(where))
    layer = model.middle
    before = layer.plain.numpy(), layer.runs.numpy()
    with pytest.raises(ValueError, match=f"{WRITES}.* writes '{name}'"):
        network.KerasNetwork(model)
    assert (layer.plain.numpy(), layer.runs.numpy()) == before


def test_a_layer_with_state_is_refused():
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2), batch_size=2),
            layers.Reshape((4, 8)),
            layers.GRU(3, stateful=True, name="gru"),
            layers.Dense(2),
        ]
    )
    with pytest.raises(ValueError, match=f"{WRITES}.*gru"):
        network.KerasNetwork(model)


def _tensorflow_noise(values):
    import tensorflow as tf

    return values + tf.random.normal(tf.shape(values))


def _tensorflow_dropout(values):
    import tensorflow as tf

    return tf.nn.dropout(values, 0.5)


def _keras_noise(values):
    import keras

    return values + keras.random.normal(keras.ops.shape(values))


def _noise_in_a_loop(values):
    import tensorflow as tf

    return tf.while_loop(
        lambda x: tf.reduce_sum(x) < 0, lambda x: [_tensorflow_noise(x)], [values]
    )[0]


@pytest.mark.parametrize(
    "noise", [_tensorflow_noise, _tensorflow_dropout, _keras_noise, _noise_in_a_loop]
)
def test_random_operations_are_found_outside_of_layers(noise):
    with pytest.raises(ValueError, match=f"'net' itself {RANDOM}"):
        network.KerasNetwork(bound_to(noise))


def _fixed_noise(values):
    import tensorflow as tf

    return values + tf.random.stateless_normal(tf.shape(values), [1, 2])


def _unused_noise(values):
    _tensorflow_noise(values)
    return values


@pytest.mark.parametrize("noise", [_fixed_noise, _unused_noise])
def test_noise_that_is_fixed_or_reaches_no_score_is_allowed(noise):
    network.KerasNetwork(bound_to(noise))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("BatchNormalization", ()), ("Dropout", (0.5,)), ("GaussianNoise", (1.0,)),
        ("GaussianDropout", (0.5,)), ("AlphaDropout", (0.5,)), ("RandomRotation", (0.5,)),
        ("RandomContrast", (0.5,)), ("GroupNormalization", (1,)),
    ],
)  # fmt: skip
def test_ordinary_layers_pass_in_inference_mode(name, settings, images):
    import keras

    model = bound_to(getattr(keras.layers, name)(*settings))
    net = network.KerasNetwork(model)
    np.testing.assert_array_equal(net.outputs(images[:, :8, :8]), net.outputs(images[:, :8, :8]))
    with net.changed({}):  # every weight is the same, bit for bit
        pass


def test_an_rnn_that_draws_unused_dropout_masks_passes_and_keeps_its_seed(images):
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Reshape((8, 16)),
            layers.LSTM(3, dropout=0.5, recurrent_dropout=0.5),
            layers.Dense(3),
        ]
    )
    pixels = images[:, :8, :8]
    expected = model(pixels).numpy()
    before = [variable.numpy() for variable in model.variables]
    found = network.KerasNetwork(model).outputs(pixels)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert all(map(np.array_equal, before, (variable.numpy() for variable in model.variables)))
