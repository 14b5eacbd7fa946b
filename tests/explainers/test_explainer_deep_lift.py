"""DeepLIFT: its sum, its slopes by hand, operations that have a rule and those that have none."""

import numpy as np
import pytest
from helpers import plain_transformer as transformers
from helpers.lazily import keras, layers

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

TARGETS = np.array([0, 1, 2, 1])


def images():
    return np.random.default_rng(5).normal(size=(4, 8, 8, 2)).astype(np.float32)


def network_with(*middle):
    """A network whose biases are not 0, with some layers between a convolution and a dense one."""
    import keras

    layers = keras.layers
    stack = [layers.Conv2D(4, 3), *middle, layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *stack])
    rng = np.random.default_rng(6)
    for variable in model.variables:
        if variable.path.endswith(("bias", "beta", "alpha", "moving_mean")):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


def gate(hidden):
    return hidden * keras.ops.sigmoid(keras.ops.mean(hidden, axis=(1, 2), keepdims=True))


def approximate_gelu(hidden):
    return keras.ops.gelu(hidden, approximate=True)


def response_norm(hidden):
    """That of ConvNeXtV2 (Woo et al., 2023)."""
    norm = keras.ops.sqrt(keras.ops.sum(keras.ops.square(hidden), axis=(1, 2), keepdims=True))
    scaled = hidden * norm / (keras.ops.mean(norm, axis=-1, keepdims=True) + 1e-6)
    return hidden + 1.3 * scaled + 0.2


def norm_by_hand(hidden):
    deviation = keras.ops.std(hidden, axis=-1, keepdims=True)
    return (hidden - keras.ops.mean(hidden, axis=-1, keepdims=True)) / (deviation + 0.1)


def softmax_by_hand(hidden):
    powers = keras.ops.exp(hidden)
    return powers / keras.ops.sum(powers, axis=-1, keepdims=True)


ACTIVATIONS = [
    *("relu6", "elu", "selu", "softplus", "tanh", "sigmoid", "gelu", "exponential"),
    *("silu", "mish", "hard_silu", "hard_sigmoid", "softmax"),
]
WAYS = {
    **{name: lambda name=name: [layers.Activation(name)] for name in ACTIVATIONS},
    "leaky": lambda: [layers.LeakyReLU()],
    "prelu": lambda: [layers.PReLU()],
    "norm": lambda: [layers.BatchNormalization(), layers.ReLU()],
    "max pool": lambda: [layers.ReLU(), layers.MaxPooling2D()],
    "overlapping pool": lambda: [
        layers.MaxPooling2D(3, strides=1, padding="same"),
        layers.ReLU(),
    ],
    "average": lambda: [layers.ReLU(), layers.AveragePooling2D(2), layers.UpSampling2D()],
    "gate": lambda: [layers.Lambda(gate, name="gate")],
    "unrolled": lambda: [layers.Reshape((6, 24)), layers.LSTM(5, unroll=True)],
    "power": lambda: [layers.Lambda(lambda hidden: keras.ops.square(hidden))],
    "approximate gelu": lambda: [layers.Lambda(approximate_gelu)],
    "layer norm": lambda: [layers.LayerNormalization()],
    "norm by hand": lambda: [layers.Lambda(norm_by_hand)],
    "rms norm": lambda: [layers.RMSNormalization()],
    "group norm": lambda: [layers.GroupNormalization(2)],
    "unit norm": lambda: [layers.UnitNormalization()],
    "response norm": lambda: [layers.Lambda(response_norm)],
    "softmax by hand": lambda: [layers.Lambda(softmax_by_hand)],
    "sharp softmax": lambda: [layers.Lambda(lambda hidden: keras.ops.softmax(50 * hidden))],
    "quotient": lambda: [layers.Lambda(lambda hidden: 2 / (1 + keras.ops.square(hidden)))],
    "dense over tokens": lambda: [layers.Reshape((36, 4)), layers.Dense(5, activation="gelu")],
}


@pytest.mark.parametrize("way", WAYS)
def test_it_sums_to_the_difference_from_the_baseline(way):
    model = network_with(*WAYS[way]())
    score = network.target_score(model)
    difference = score(images(), TARGETS) - score(np.full_like(images(), 0.4), TARGETS)
    sums = ex.DeepLIFT(0.4)(model, images(), TARGETS).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, difference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", transformers.KINDS)
def test_it_sums_to_the_difference_of_a_transformer(kind):
    model = transformers.transformer(kind, transformers.drawn())
    score = network.target_score(model)
    difference = score(images(), TARGETS) - score(np.full_like(images(), 0.4), TARGETS)
    sums = ex.DeepLIFT(0.4)(model, images(), TARGETS).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, difference, 0, 1e-4 * np.abs(difference).max())


def excited(hidden, gate):
    own = layers.GlobalAveragePooling2D(keepdims=True)(hidden)
    own = layers.Conv2D(2, 1, activation="silu" if gate == "sigmoid" else "relu")(own)
    return layers.Multiply()([hidden, layers.Conv2D(hidden.shape[-1], 1, activation=gate)(own)])


def inverted(hidden, activation, gate):
    """A block of EfficientNet, or of MobileNetV3."""
    own = layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(hidden))
    own = layers.DepthwiseConv2D(3, padding="same")(layers.Activation(activation)(own))
    own = excited(layers.Activation(activation)(layers.BatchNormalization()(own)), gate)
    return layers.Add()([hidden, layers.Conv2D(hidden.shape[-1], 1)(own)])


def convnext(hidden, *norms):
    """A block of ConvNeXt, or of ConvNeXtV2."""
    own = layers.LayerNormalization()(layers.DepthwiseConv2D(3, padding="same")(hidden))
    own = layers.Dense(12, activation="gelu")(own)
    for norm in norms:
        own = layers.Lambda(norm)(own)
    return layers.Add()([hidden, layers.Dense(hidden.shape[-1])(own)])


BLOCKS = {
    "EfficientNet": lambda hidden: inverted(hidden, "silu", "sigmoid"),
    "MobileNetV3": lambda hidden: inverted(hidden, "hard_silu", "hard_sigmoid"),
    "ConvNeXt": convnext,
    "ConvNeXtV2": lambda hidden: convnext(hidden, response_norm),
}


@pytest.mark.parametrize("family", BLOCKS)
def test_it_sums_to_the_difference_of_small_members_of_families(family):
    from keras import Input, Model

    first = Input((8, 8, 2))
    hidden = layers.Conv2D(6, 3)(first)
    for _ in range(2):
        hidden = BLOCKS[family](hidden)
    model = Model(first, layers.Dense(3)(layers.GlobalAveragePooling2D()(hidden)))
    score = network.target_score(model)
    difference = score(images(), TARGETS) - score(np.full_like(images(), 0.4), TARGETS)
    sums = ex.DeepLIFT(0.4)(model, images(), TARGETS).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, difference, 0, 1e-4 * np.abs(difference).max())


def test_near_the_baseline_a_softmax_has_its_gradient():
    model = network_with(layers.Softmax())
    step = np.float32(1e-3) * images()
    found = ex.DeepLIFT(0.4)(model, 0.4 + step, TARGETS)
    expected = ex.Gradient()(model, 0.4 + step / 2, TARGETS) * step
    np.testing.assert_allclose(found, expected, 0, 1e-3 * np.abs(expected).max())


def test_kinds_of_models_have_the_same_map(model, functional, images, targets):
    explainer = ex.DeepLIFT(0.2)
    found, expected = (explainer(m, images, targets) for m in (model, functional))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_silu_is_an_input_times_its_sigmoid():
    product = layers.Lambda(lambda hidden: hidden * keras.ops.sigmoid(hidden))
    plain, written = (network_with(middle) for middle in (layers.Activation("silu"), product))
    written.set_weights(plain.get_weights())
    maps = [ex.DeepLIFT(0.1)(model, images(), TARGETS) for model in (plain, written)]
    np.testing.assert_allclose(*maps, rtol=1e-5, atol=1e-6)


LOOPS = {
    "LSTM": lambda: [layers.Reshape((6, 24)), layers.LSTM(5, name="odd")],
    "GRU": lambda: [layers.Reshape((6, 24)), layers.GRU(5, name="odd")],
    "SimpleRNN": lambda: [layers.Reshape((6, 24)), layers.SimpleRNN(5, name="odd")],
    "ConvLSTM2D": lambda: [layers.Reshape((2, 3, 6, 4)), layers.ConvLSTM2D(2, 2, name="odd")],
    "Bidirectional": lambda: [
        layers.Reshape((6, 24)),
        layers.Bidirectional(layers.LSTM(5, name="odd"), name="both"),
    ],
}


@pytest.mark.parametrize("explainer", [ex.DeepLIFT(), ex.LRP()], ids=["DeepLIFT", "LRP"])
@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_in_the_graph_has_no_rule(kind, explainer):
    name = "LSTM" if kind == "Bidirectional" else kind
    with pytest.raises(NotApplicable, match=rf"^{name} has no rule \(layer '.*odd'\)$"):
        explainer.bind(network_with(*LOOPS[kind]()))


def test_slopes_by_hand():
    """One pixel of two channels; units x + y and x - y, ReLU; score 2 u + 3 v; baseline (1, 3).

    Image (2, 1): u 4 -> 3, slope 1; v -2 -> 1, ReLU 0 -> 1, slope 1/3. Multipliers of x: 2 + 3/3,
    of y: 2 - 3/3; times the differences 1 and -2: 3 and -2, in all 2 * 3 + 3 * 1 - 2 * 4 = 1.
    """
    import keras

    layers = keras.layers
    hidden = layers.Dense(2, activation="relu", use_bias=False)
    model = keras.Sequential(
        [keras.Input((1, 1, 2)), layers.Flatten(), hidden, layers.Dense(1, use_bias=False)]
    )
    model.set_weights([np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[2.0], [3.0]])])
    # One value for all channels: x counts from 1, y from 3.
    shifted = keras.Sequential([keras.Input((1, 1, 2)), keras.layers.Rescaling(1.0, [1.0, 3.0])])
    both = keras.Sequential([keras.Input((1, 1, 2)), shifted, model])
    image = np.array([1.0, -2.0], np.float32).reshape(1, 1, 1, 2)
    found = ex.DeepLIFT()(both, image, np.array([1]))
    np.testing.assert_allclose(found.ravel(), [3.0, -2.0], rtol=1e-6)


def test_a_max_pool_hands_a_rise_to_the_images_maximum_and_a_fall_to_the_baselines():
    """Rows of a 2x1 pool; baseline (1, 2). Image (4, 0): 2 -> 4, to the first; (0, 1): 2 -> 1."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((2, 2, 1)),
            layers.Lambda(lambda x: x + np.array([1.0, 2.0], np.float32).reshape(1, 2, 1, 1)),
            layers.MaxPooling2D((2, 1)),
            layers.Flatten(),
            layers.Dense(1, kernel_initializer="ones"),
        ]
    )
    columns = np.array([[4.0 - 1, 0.0 - 2], [0.0 - 1, 1.0 - 2]], np.float32)
    found = ex.DeepLIFT()(model, columns.T.reshape(1, 2, 2, 1), np.array([1]))
    np.testing.assert_allclose(found[0, :, :, 0].T, [[2.0, 0.0], [0.0, -1.0]], atol=1e-6)


def test_without_bias_and_from_0_it_is_gradient_times_input():
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, use_bias=False, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(5, use_bias=False, activation="relu"),
            layers.Dense(3, use_bias=False),
        ]
    )
    found = ex.DeepLIFT()(model, images(), TARGETS)
    expected = ex.GradientInput()(model, images(), TARGETS)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_an_image_that_is_the_baseline_has_a_map_of_zeros():
    model = network_with(*WAYS["gelu"]())
    maps = ex.DeepLIFT(0.5)(model, np.full((1, 8, 8, 2), 0.5, np.float32), np.array([1]))
    np.testing.assert_array_equal(maps, np.zeros((1, 8, 8, 2)))


@pytest.mark.parametrize("kind", ["GlobalMaxPooling2D", "Lambda", "Activation"])
def test_the_class_of_a_layer_without_a_rule_is_named(kind):
    import keras

    layers = keras.layers
    odd, what = {
        "GlobalMaxPooling2D": (layers.GlobalMaxPooling2D(name="odd"), ""),
        "Lambda": (layers.Lambda(keras.ops.sin, name="odd"), ""),
        "Activation": (layers.Activation("log_softmax", name="odd"), " with log_softmax"),
    }[kind]
    with pytest.raises(NotApplicable) as refused:
        ex.DeepLIFT().bind(network_with(odd))
    assert str(refused.value) == f"{kind}{what} has no rule (layer 'odd')"


def test_a_baseline_may_be_an_image_and_must_fit():
    model = network_with(*WAYS["max pool"]())
    own = np.random.default_rng(1).normal(size=(8, 8, 2)).astype(np.float32)
    score = network.target_score(model)
    difference = score(images(), TARGETS) - score(np.stack([own] * 4), TARGETS)
    maps = ex.DeepLIFT(own)(model, images(), TARGETS)
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), difference, rtol=1e-4, atol=1e-5)
    number, channels = (ex.DeepLIFT(b)(model, images(), TARGETS) for b in (0.3, [0.3, 0.3]))
    np.testing.assert_array_equal(number, channels)
    assert "0x" not in repr(ex.DeepLIFT(own))
    with pytest.raises(ValueError, match=r"baseline must fit images \(8, 8, 2\); got shape \(3,\)"):
        ex.DeepLIFT([1.0, 2.0, 3.0]).bind(model)
    with pytest.raises(ValueError, match="baseline must be finite"):
        ex.DeepLIFT(float("nan"))
