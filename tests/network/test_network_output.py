"""The logit is found however the model wrote its end."""

import numpy as np
import pytest

from saliency_bench import network

pytestmark = pytest.mark.usefixtures("seeded")

KERNEL = np.array([[1.0, -2.0, 0.5], [0.25, 1.0, -1.0]], np.float32)
IMAGES = np.array([[1.0, 2.0], [-3.0, 0.5], [0.0, 4.0]], np.float32).reshape(3, 1, 1, 2)
LOGITS = IMAGES.reshape(3, 2) @ KERNEL


def ending(end, *, units=3, activation=None, dtype=None):
    """A linear model of IMAGES with `end`, a function or a layer, behind it."""
    import keras

    images = keras.Input((1, 1, 2))
    dense = keras.layers.Dense(units, activation=activation, use_bias=False, dtype=dtype)
    model = keras.Model(images, end(dense(keras.layers.Flatten()(images))))
    dense.set_weights([KERNEL[:, :units]])
    return model


def outputs(model):
    return network.KerasNetwork(model, batch_size=3).outputs(IMAGES)


def _as_it_is(values):
    return values


def _layer_softmax(values):
    import keras

    return keras.layers.Softmax()(values)


def _tensorflow_softmax(values):
    import keras
    import tensorflow as tf

    return keras.layers.Lambda(tf.nn.softmax)(values)


def _ops_softmax(values):
    import keras

    return keras.ops.softmax(values)


def _log_softmax(values):
    import keras

    return keras.ops.log_softmax(values)


def _multi_label(values):
    import keras

    return keras.ops.sigmoid(values)


def _reshaped(values):
    import keras

    square = keras.layers.Reshape((1, 3))(values)
    return keras.layers.Flatten()(keras.ops.softmax(square))


def _own_gradient(values):
    """A softmax with a gradient of its own, as numerics-minded people write it."""
    import keras
    import tensorflow as tf

    @tf.custom_gradient
    def softmax(z):
        return tf.nn.softmax(z), lambda upstream: upstream

    return keras.layers.Lambda(softmax)(values)


ENDS = (
    _as_it_is, _layer_softmax, _tensorflow_softmax, _ops_softmax, _log_softmax, _multi_label,
    _reshaped, _own_gradient,
)  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_logits_are_the_input_of_the_squashing(end):
    np.testing.assert_allclose(outputs(ending(end)), LOGITS, rtol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sigmoid", "linear"])
def test_logits_behind_a_fused_activation(activation):
    np.testing.assert_allclose(outputs(ending(_as_it_is, activation=activation)), LOGITS, rtol=1e-6)


def test_logits_of_every_kind_of_model(model, images, reference):
    found = network.KerasNetwork(model, batch_size=5).outputs(images)
    np.testing.assert_allclose(found, reference["logits"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_unit_has_two_classes(activation):
    z = LOGITS[:, :1]
    found = outputs(ending(_as_it_is, units=1, activation=activation))
    np.testing.assert_allclose(found, np.hstack([-z, z]), rtol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_target_0_of_one_unit_explains_minus_z(activation):
    from saliency_bench.explainers import Gradient

    model = ending(_as_it_is, units=1, activation=activation)
    maps = Gradient()(model, IMAGES[:2], np.array([0, 1]))
    np.testing.assert_allclose(maps.reshape(2, 2), [-KERNEL[:, 0], KERNEL[:, 0]], rtol=1e-6)


def test_the_probability_of_one_raw_logit_is_its_sigmoid():
    p = 1 / (1 + np.exp(-LOGITS[:, :1]))
    for activation in (None, "sigmoid"):
        model = ending(_as_it_is, units=1, activation=activation)
        found = network.Kernel(model, lambda traced: traced.scores, "probability")(IMAGES)
        np.testing.assert_allclose(found, np.hstack([1 - p, p]), rtol=1e-5)


def test_a_regression_keeps_its_one_value():
    model = ending(_as_it_is, units=1)
    found = network.Kernel(model, lambda traced: traced.scores, lambda out: out.head())(IMAGES)
    np.testing.assert_allclose(found, LOGITS[:, :1], rtol=1e-6)


def _average(values):
    import keras

    parts = [keras.ops.sigmoid(values), keras.ops.sigmoid(3 * values)]
    return keras.layers.Average()(parts)


def _weighted(values):
    import keras

    return 0.25 * keras.ops.sigmoid(values) + 0.75 * keras.ops.sigmoid(-values)


def _complement(values):
    import keras

    return 1 - keras.ops.sigmoid(values)


def _mean_of_stacked(values):
    import keras

    return keras.ops.mean(keras.ops.stack([keras.ops.sigmoid(values)] * 3), axis=0)


def _sigmoid_by_hand(values):
    import keras

    return 1 / (1 + keras.ops.exp(-values))


def _hard(values):
    import keras

    return keras.ops.hard_sigmoid(values)


PROBABILITIES = (_average, _weighted, _complement, _mean_of_stacked, _sigmoid_by_hand, _hard)


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("end", PROBABILITIES)
def test_probabilities_without_a_logit_are_refused(end, units):
    with pytest.raises(ValueError, match=r"scores are probabilities.*output=probability") as caught:
        network.KerasNetwork(ending(end, units=units))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("end", PROBABILITIES)
def test_probabilities_of_one_unit_are_explained_as_they_are(end):
    model = ending(end, units=1)
    p = model(IMAGES).numpy()
    found = network.Kernel(model, lambda traced: traced.scores, "probability")(IMAGES)
    np.testing.assert_allclose(found, np.hstack([1 - p, p]), rtol=1e-5, atol=1e-7)


def _average_of_logits(values):
    import keras

    return keras.layers.Average()([values, 3 * values])


def _gated(values):
    """Lies in no range, although a factor does."""
    import keras

    return values * keras.ops.sigmoid(values)


@pytest.mark.parametrize("end", [_average_of_logits, _gated])
def test_one_unit_that_only_contains_averages_or_gates_is_a_logit(end):
    model = ending(end, units=1)
    z = model(IMAGES).numpy()
    np.testing.assert_allclose(outputs(model), np.hstack([-z, z]), rtol=1e-5)


@pytest.mark.parametrize(("units", "activation"), [(3, "softmax"), (1, "sigmoid")])
def test_probability_is_the_models_own_output(units, activation):
    model = ending(_as_it_is, units=units, activation=activation)
    own = model(IMAGES).numpy()
    expected = own if units > 1 else np.hstack([1 - own, own])
    found = network.Kernel(model, lambda traced: traced.scores, "probability")(IMAGES)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_half_precision_models_give_float32_maps(images, targets):
    import keras

    from saliency_bench.explainers import GradCAM, Gradient

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(3, 3, activation="relu", dtype="mixed_float16"),
            layers.Flatten(dtype="mixed_float16"),
            layers.Dense(3, dtype="mixed_float16"),
            layers.Activation("softmax", dtype="float32"),
        ]
    )
    for explainer in (Gradient(), GradCAM()):
        maps = explainer(model, images, targets)
        assert maps.dtype == np.float32
        assert np.isfinite(maps).all()
        assert maps.any()


def _two_outputs(values):
    return [values, values * 2]


def _image_shaped(values):
    import keras

    return keras.layers.Reshape((1, 1, 3))(values)


def _closed(values):
    """Ends in a loop, whose inside cannot be seen."""
    import keras
    import tensorflow as tf

    def loop(z):
        return tf.while_loop(lambda i, _: i < 1, lambda i, v: (i + 1, tf.nn.softmax(v)), [0, z])[1]

    return keras.layers.Lambda(loop)(values)


@pytest.mark.parametrize(
    ("end", "rule"),
    [
        (_two_outputs, "must end in one output"),
        (_image_shaped, "must end in one output"),
        (_closed, "must end in a softmax, a sigmoid or in logits"),
    ],
)
def test_ends_without_a_logit_are_refused_in_one_line(end, rule):
    with pytest.raises(ValueError, match=rule) as caught:
        network.KerasNetwork(ending(end))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("output", ["logits", "probabilty", None])
def test_an_unknown_output_is_refused_and_does_not_become_the_probability(output):
    with pytest.raises(ValueError, match="output must be logit, probability or a target output"):
        network.target_score(ending(_as_it_is), output)(IMAGES, [0, 1, 2])


def test_a_model_without_weights_is_refused():
    import keras

    model = keras.Sequential([keras.Input((1, 1, 2)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="have weights"):
        network.KerasNetwork(model)
