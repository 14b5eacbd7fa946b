"""Redrawn weights are distributed as Keras's own, in layers of every kind."""

import numpy as np
import pytest

from saliency_bench.randomize import redraw

pytestmark = pytest.mark.usefixtures("seeded")


def dense(units=60, inputs=80, **settings):
    """One dense layer with enough weights to speak of a distribution."""
    import keras

    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(units, **settings)])


def kernel_of(model):
    return redraw(model, model.variables[:1], seed=0)[0]


def correlation(a, b):
    return np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]


# ---------------------------------------------------------------- distributions

SCALINGS = [
    f"{family}_{shape}" for family in ("glorot", "he", "lecun") for shape in ("uniform", "normal")
]


@pytest.mark.parametrize("shape", [(200, 300), (5, 5, 12, 40)])
@pytest.mark.parametrize("name", SCALINGS)
def test_scaled_initialisers_have_keras_spread_and_bounds(name, shape):
    import keras

    layers = keras.layers
    if len(shape) == 2:
        model = dense(shape[1], shape[0], kernel_initializer=name)
    else:
        convolution = layers.Conv2D(shape[3], shape[:2], kernel_initializer=name)
        model = keras.Sequential([keras.Input((8, 8, shape[2])), convolution])
    own = model.variables[0].numpy()
    ours = kernel_of(model)
    assert ours.shape == own.shape == shape
    assert ours.dtype == own.dtype
    assert ours.std() == pytest.approx(own.std(), rel=0.03)
    assert abs(ours.mean()) < 0.03 * own.std()
    assert np.abs(ours).max() == pytest.approx(np.abs(own).max(), rel=0.01)
    for share in (0.1, 0.25, 0.75, 0.9):
        assert np.quantile(ours, share) == pytest.approx(np.quantile(own, share), rel=0.05)


def test_glorot_uniform_fills_its_interval():
    """limit = sqrt(6 / (fan_in + fan_out)), and a uniform's variance is limit ** 2 / 3."""
    limit = np.sqrt(6 / (80 + 60))
    drawn = kernel_of(dense())
    assert np.abs(drawn).max() <= limit
    assert drawn.std() == pytest.approx(limit / np.sqrt(3), rel=0.03)


@pytest.mark.parametrize("name", ["RandomNormal", "TruncatedNormal", "RandomUniform"])
def test_other_initialisers_keep_their_settings(name):
    import keras

    initializer = getattr(keras.initializers, name)()
    model = dense(kernel_initializer=initializer)
    own, ours = model.variables[0].numpy(), kernel_of(model)
    assert ours.std() == pytest.approx(own.std(), rel=0.05)
    assert np.abs(ours).max() <= 1.3 * np.abs(own).max()


def test_orthogonal_kernels_are_orthogonal():
    drawn = kernel_of(dense(20, 20, kernel_initializer="orthogonal"))
    np.testing.assert_allclose(drawn @ drawn.T, np.eye(20), atol=1e-5)


def test_constants_are_constants():
    import keras

    constant = keras.initializers.Constant(0.25)
    model = dense(kernel_initializer=constant, bias_initializer="ones")
    kernel, bias = redraw(model, model.variables, seed=0)
    assert (kernel == 0.25).all()
    assert (bias == 1).all()


def test_pretrained_constants_and_plain_functions_do_not_come_back():
    """They would bring what the network began with: Glorot takes their place."""
    import keras

    table = np.random.default_rng(0).normal(size=(80, 60)).astype(np.float32)
    settings = (keras.initializers.Constant(table), lambda shape, dtype=None: table)
    for initializer in settings:
        drawn = kernel_of(dense(kernel_initializer=initializer))
        assert abs(correlation(drawn, table)) < 0.1
        assert np.abs(drawn).max() <= np.sqrt(6 / (80 + 60))


# ---------------------------------------------------------------- kinds of layers


def test_layers_of_every_kind_are_redrawn():
    import keras

    layers = keras.layers
    images = keras.Input((8, 8, 3))
    hidden = layers.DepthwiseConv2D(3, depth_multiplier=2)(images)
    hidden = layers.SeparableConv2D(8, 3)(hidden)
    hidden = layers.PReLU(alpha_initializer="uniform")(layers.GroupNormalization(4)(hidden))
    hidden = layers.Conv2DTranspose(4, 3)(hidden)
    hidden = layers.Reshape((36, 4))(hidden)
    hidden = layers.MultiHeadAttention(2, 8)(hidden, hidden)
    hidden = layers.LayerNormalization()(layers.LSTM(6)(hidden))
    model = keras.Model(images, layers.Dense(3)(hidden))
    ours = redraw(model, model.variables, seed=0)
    for variable, values in zip(model.variables, ours, strict=True):
        own = variable.numpy()
        assert values.shape == own.shape
        assert values.dtype == own.dtype
        if values.size > 40 and own.std() > 0:
            assert values.std() == pytest.approx(own.std(), rel=0.25), variable.path
            assert abs(correlation(values, own)) < 0.5, variable.path


def test_depthwise_kernels_have_the_fans_of_keras():
    import keras

    model = keras.Sequential(
        [
            keras.Input((8, 8, 64)),
            keras.layers.DepthwiseConv2D(5, depthwise_initializer="he_normal"),
        ]
    )
    assert kernel_of(model).std() == pytest.approx(model.variables[0].numpy().std(), rel=0.1)


def test_recurrent_kernels_stay_orthogonal():
    import keras

    model = keras.Sequential([keras.Input((5, 3)), keras.layers.GRU(4)])
    recurrent = next(v for v in model.variables if v.name == "recurrent_kernel")
    (drawn,) = redraw(model, [recurrent], seed=0)
    np.testing.assert_allclose(drawn @ drawn.T, np.eye(4), atol=1e-5)


def test_weights_without_a_named_initialiser_are_redrawn_too():
    import keras

    class Custom(keras.layers.Layer):
        def build(self, shape):
            self.matrix = self.add_weight(shape=(shape[-1], 50), name="matrix")
            self.scale = self.add_weight(shape=(50,), name="scale")

        def call(self, values):
            return values @ self.matrix * self.scale

    model = keras.Sequential([keras.Input((40,)), Custom()])
    held = np.random.default_rng(0).normal(5.0, 2.0, 50)
    model.variables[1].assign(held)
    matrix, scale = redraw(model, model.variables, seed=0)
    limit = np.sqrt(6 / (40 + 50))
    assert np.abs(matrix).max() <= limit
    assert matrix.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)
    assert scale.mean() == pytest.approx(5.0, abs=1.5)
    assert abs(correlation(scale, held)) < 0.6
    assert not np.array_equal(matrix, model.variables[0].numpy())
