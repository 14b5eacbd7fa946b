"""LRP through the layers of modern networks: normalisations, smooth activations, gates."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

TARGETS = np.array([0, 1, 2, 1])
RULES = ("epsilon", "gamma", "z_plus", "alpha_beta", "w_square", "flat", "epsilon_plus_flat",
         "attention", "attention_gamma")  # fmt: skip
EXACT = 1e-12


def images():
    return np.random.default_rng(5).normal(size=(4, 8, 8, 2)).astype(np.float32)


def network_with(*middle, bias=False):
    """A network with some layers between a convolution and a dense one."""
    first, last = layers.Conv2D(4, 3, use_bias=bias), layers.Dense(3, use_bias=bias)
    return keras.Sequential([keras.Input((8, 8, 2)), first, *middle, layers.Flatten(), last])


def close(found, expected, tolerance=1e-4):
    np.testing.assert_allclose(found, expected, 0, tolerance * np.abs(expected).max())


# ---------------------------------------------------------------- activations

ACTIVATIONS = {
    "gelu": ops.gelu,
    "gelu, tanh": lambda x: ops.gelu(x, approximate=True),
    "gelu by hand": lambda x: x * 0.5 * (1 + ops.erf(x / 2**0.5)),
    "silu": ops.silu,
    "silu by hand": lambda x: x / (1 + ops.exp(-x)),
    "swish with a slope": lambda x: x * ops.sigmoid(1.7 * x),
    "hard swish": ops.hard_silu,
    "mish": lambda x: x * ops.tanh(ops.softplus(x)),
    "inverse square root": lambda x: x * ops.rsqrt(1 + ops.square(x)),
}


def plain(model, activation):
    """Gradient times input, where the activation is a factor that is a constant."""
    first, last = model.layers[0], model.layers[-1]
    values = tf.constant(images())
    with tf.GradientTape() as tape:
        tape.watch(values)
        hidden = first(values)
        passed = hidden * tf.stop_gradient(activation(hidden) / hidden)
        scores = last(tf.reshape(passed, [len(values), -1]))
        own = tf.gather(scores, TARGETS, batch_dims=1)
    return (tape.gradient(own, values) * values).numpy()


@pytest.mark.parametrize("rule", ["epsilon", "attention"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_relevance_passes_a_smooth_activation_unchanged(name, rule):
    activation = ACTIVATIONS[name]
    model = network_with(layers.Lambda(activation), bias=True)
    close(ex.LRP(rule, epsilon=EXACT)(model, images(), TARGETS), plain(model, activation))


def test_an_activation_whose_input_is_0_passes_relevance_without_nan():
    model = network_with(layers.Activation("gelu"))
    found = ex.LRP("attention")(model, np.zeros((1, 8, 8, 2), np.float32), np.array([1]))
    np.testing.assert_array_equal(found, np.zeros_like(found))


# ---------------------------------------------------------------- what is kept


def by_hand(x):
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    return centred / ops.sqrt(ops.mean(centred * centred, axis=-1, keepdims=True) + 1e-3)


class SqueezeExcite(layers.Layer):
    """Channels times a gate made of their means."""

    def __init__(self, gate="sigmoid"):
        super().__init__(name="excite")
        self.parts = [layers.GlobalAveragePooling2D(keepdims=True), layers.Conv2D(2, 1),
                      layers.ReLU(), layers.Conv2D(4, 1, activation=gate)]  # fmt: skip

    def call(self, x):
        gate = x
        for part in self.parts:
            gate = part(gate)
        return x * gate


MIDDLES = {
    "layer norm": lambda: [layers.LayerNormalization(center=False)],
    "layer norm by hand": lambda: [layers.Lambda(by_hand)],
    "group norm": lambda: [layers.GroupNormalization(2, center=False)],
    "rms norm": lambda: [layers.RMSNormalization(), layers.ReLU()],
    "unit norm": lambda: [layers.UnitNormalization()],
    "smooth": lambda: [layers.Activation("gelu"), layers.Activation("hard_silu")],
    "excite": lambda: [layers.Activation("silu"), SqueezeExcite()],
    "hard excite": lambda: [layers.Activation("hard_silu"), SqueezeExcite("hard_sigmoid")],
}


@pytest.mark.parametrize("middle", MIDDLES)
def test_without_bias_every_rule_conserves_the_logit(middle):
    model = network_with(*MIDDLES[middle]())
    if "excite" in middle:
        for part in model.get_layer("excite").parts[1::2]:
            part.bias.assign(tf.zeros_like(part.bias))
    logits = network.target_score(model)(images(), TARGETS)
    for rule in RULES:
        explainer = ex.LRP(rule, epsilon=EXACT)
        if middle == "hard excite" and explainer._products == "halves":
            continue  # the half of the gate reaches the constant 3 in relu6(x + 3)
        maps = explainer(model, images(), TARGETS)
        close(maps.sum(axis=(1, 2, 3)), explainer.conserved(logits), 1e-3)
        assert explainer.signed or maps.min() >= 0


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid"])
def test_the_factor_that_is_no_gate_takes_all_relevance(gate):
    """(Arras et al., 2017): a gate is a constant; under `attention` it gets half."""
    model = network_with(SqueezeExcite(gate))
    first, excite, _, last = model.layers
    values = tf.constant(images())
    with tf.GradientTape() as tape:
        tape.watch(values)
        hidden = first(values)
        gates = tf.stop_gradient(excite(hidden) / hidden)
        scores = last(tf.reshape(hidden * gates, [len(values), -1]))
        own = tf.gather(scores, TARGETS, batch_dims=1)
    expected = (tape.gradient(own, values) * values).numpy()
    close(ex.LRP(epsilon=EXACT)(model, images(), TARGETS), expected)
    halves = ex.LRP("attention", epsilon=EXACT)(model, images(), TARGETS)
    assert np.abs(halves - expected).max() > 0.01 * np.abs(expected).max()


def test_a_product_of_two_features_is_halved_by_attention():
    """x y with x = image channel 0, y = channel 1, weight 1: each gets x y / 2."""
    product = layers.Lambda(lambda x: x[..., :1] * x[..., 1:])
    model = keras.Sequential([keras.Input((1, 1, 2)), product, layers.Flatten()])
    model.add(layers.Dense(1, use_bias=False, kernel_initializer="ones"))
    image = np.array([3.0, -4.0], np.float32).reshape(1, 1, 1, 2)
    found = ex.LRP("attention")(model, image, np.array([1]))
    np.testing.assert_allclose(found.ravel(), [-6.0, -6.0], rtol=1e-5)


def test_a_softmax_has_the_rule_of_its_taylor_series():
    """Scores (ln 3, 0): shares 3/4 and 1/4; R = (3/4, 0) gives ln 3 (3/4 - 3/4 3/4) and 0."""
    model = keras.Sequential([keras.Input((1, 1, 2)), layers.Flatten(), layers.Softmax()])
    model.add(layers.Dense(2, use_bias=False, kernel_initializer="identity"))
    image = np.array([np.log(3), 0.0], np.float32).reshape(1, 1, 1, 2)
    found = ex.LRP("attention", epsilon=EXACT)(model, image, np.array([0]))
    np.testing.assert_allclose(found.ravel(), [np.log(3) * 3 / 16, 0.0], rtol=1e-5)


# ---------------------------------------------------------------- what is refused


class ResponseNorm(layers.Layer):
    """Global response normalisation of ConvNeXtV2 (Woo et al., 2023)."""

    def call(self, x):
        norm = ops.sqrt(ops.sum(ops.square(x), axis=(1, 2), keepdims=True))
        return x + x * norm / (ops.mean(norm, axis=-1, keepdims=True) + 1e-6)


def test_a_response_normalisation_has_no_rule():
    for rule in RULES:
        with pytest.raises(NotApplicable, match=r"^ResponseNorm has no rule \(layer 'response'\)$"):
            ex.LRP(rule).bind(network_with(ResponseNorm(name="response")))


def test_a_product_without_a_gate_has_no_rule_but_halves():
    model = network_with(layers.Lambda(lambda x: x * ops.mean(x, axis=-1, keepdims=True), name="m"))
    assert ex.LRP("attention")(model, images(), TARGETS).any()
    for rule in ("epsilon", "z_plus"):
        with pytest.raises(NotApplicable, match=r"Mul of two tensors that depend on the image"):
            ex.LRP(rule).bind(model)


def test_a_root_that_divides_no_mean_is_no_standard_deviation():
    """Were it a constant, no relevance would reach the image."""
    model = network_with(layers.Lambda(lambda x: ops.rsqrt(1 + ops.square(x)), name="odd"))
    with pytest.raises(NotApplicable, match=r"^Lambda has no rule \(layer 'odd'\)$"):
        ex.LRP().bind(model)
