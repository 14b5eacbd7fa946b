"""Ways from image to scores: moves, choices, complex numbers, factors that are features, too."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import transformers
from keras import layers, ops

from saliency_bench import explainers as ex
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

TARGETS = np.array([0, 2, 1])
RULES = ("epsilon", "z_plus", "attention")


def images(*shape):
    return np.random.default_rng(5).normal(size=(3, *shape)).astype(np.float32)


def network_with(middle, *, width=8):
    """Patches of 4x4 of a picture of 16x24, a function of the 24 tokens, and a dense layer."""
    picture = keras.Input((16, 24, 3))
    tokens = layers.Conv2D(width, 4, strides=4, use_bias=False)(picture)
    tokens = layers.Lambda(middle, name="middle")(layers.Reshape((24, width))(tokens))
    return keras.Model(picture, layers.Dense(3, use_bias=False)(ops.mean(tokens, axis=1)))


def score(model, pictures):
    return model(pictures).numpy()[np.arange(len(TARGETS)), TARGETS]


def total(explainer, model, pictures):
    return explainer.bind(model)(pictures, TARGETS).sum(axis=(1, 2, 3))


# ---------------------------------------------------------------- a factor that is a feature, too


def gate_and_feature(tokens):
    gate = tf.sigmoid(tokens[..., ::-1])
    return tf.concat([tokens * gate, gate], axis=-1)


def weights_and_features(tokens):
    weights = tf.nn.softmax(tokens @ tf.transpose(tokens, [0, 2, 1]))
    return tf.concat([weights @ tokens, weights], axis=-1)


def deviation_and_feature(tokens):
    deviation = tf.sqrt(tf.reduce_mean(tokens**2, axis=-1, keepdims=True) + 1e-6)
    return tf.concat([tokens / deviation, deviation], axis=-1)


def divided_and_multiplied_back(tokens):
    deviation = tf.sqrt(tf.reduce_mean(tokens**2, axis=-1, keepdims=True) + 1e-6)
    return tokens / deviation * deviation


@pytest.mark.parametrize("middle", [gate_and_feature, divided_and_multiplied_back])
@pytest.mark.parametrize("rule", ["epsilon", "attention"])
def test_a_gate_is_a_constant_where_it_is_a_factor_and_a_feature_elsewhere(rule, middle):
    model, pictures = network_with(middle), images(16, 24, 3)
    found = total(ex.LRP(rule=rule), model, pictures)
    np.testing.assert_allclose(found, score(model, pictures), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("middle", [weights_and_features, deviation_and_feature])
def test_a_feature_without_a_rule_is_refused_though_it_is_a_factor_elsewhere(middle):
    with pytest.raises(NotApplicable, match=r"Lambda.* has no rule"):
        ex.LRP().bind(network_with(middle))


# ---------------------------------------------------------------- moves


def rolled(tokens):
    return tf.roll(tf.roll(tokens, 7, axis=1) * 2.0, -7, axis=1)


def chosen_by_a_constant(tokens):
    here = np.arange(24)[:, None] % 3 > 0
    return tf.where(here, tokens, 0.0)


def read_as_patches(tokens):
    grid = tf.reshape(tokens, [-1, 4, 6, 8])
    patches = tf.image.extract_patches(
        grid, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"
    )  # fmt: skip
    return tf.reshape(patches, [-1, 24, 8])


def plainly_read(tokens):
    grid = tf.reshape(tokens, [-1, 2, 2, 3, 2, 8])
    return tf.reshape(tf.transpose(grid, [0, 1, 3, 2, 4, 5]), [-1, 24, 8])


MOVES = {
    "roll": (rolled, lambda tokens: tokens * 2.0),
    "select": (
        chosen_by_a_constant,
        lambda tokens: tokens * np.float32(np.arange(24)[:, None] % 3 > 0),
    ),
    "patches": (read_as_patches, plainly_read),
}


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("rule", RULES)
def test_relevance_follows_a_move_as_in_the_same_network_without_it(rule, kind):
    maps = [
        ex.LRP(rule=rule).bind(_with_equal_weights(network_with(middle)))(
            images(16, 24, 3), TARGETS
        )
        for middle in MOVES[kind]
    ]
    np.testing.assert_allclose(*maps, atol=1e-4 * np.abs(maps[1]).max())


@pytest.mark.parametrize("kind", MOVES)
def test_differences_follow_a_move_as_in_the_same_network_without_it(kind):
    maps = [
        ex.DeepLIFT().bind(_with_equal_weights(network_with(middle)))(images(16, 24, 3), TARGETS)
        for middle in MOVES[kind]
    ]
    np.testing.assert_allclose(*maps, atol=1e-4 * np.abs(maps[1]).max())


def _with_equal_weights(model):
    random = np.random.default_rng(8)
    for variable in model.variables:
        variable.assign(random.normal(0, 0.4, variable.shape))
    return model


def test_relevance_of_shifted_windows_sums_to_the_score():
    model = transformers.swin()
    for variable in model.trainable_variables:
        if variable.path.endswith(("beta", "bias")):
            variable.assign(np.zeros(variable.shape))
    pictures = images(*model.input_shape[1:])
    found = total(ex.LRP(), model, pictures)
    np.testing.assert_allclose(found, score(model, pictures), rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------- choices


def largest_tokens(tokens):
    best = tf.math.top_k(tf.reduce_sum(tokens, axis=-1), 12).indices
    return tf.gather(tokens, best, batch_dims=1)


def above_the_mean(tokens):
    return tokens * tf.cast(tokens > tf.reduce_mean(tokens), tokens.dtype)


def by_condition(tokens):
    return tf.where(tokens > 0.1, tokens, 0.5 * tokens)


@pytest.mark.parametrize("middle", [largest_tokens, above_the_mean, by_condition])
def test_differences_refuse_a_choice_that_depends_on_the_image(middle):
    message = r"Lambda with a choice that depends on the image has no rule \(layer 'middle'\)"
    with pytest.raises(NotApplicable, match=message):
        ex.DeepLIFT().bind(network_with(middle))


@pytest.mark.parametrize("middle", [largest_tokens, above_the_mean, by_condition])
def test_relevance_follows_the_choice_that_was_made(middle):
    model, pictures = network_with(middle), images(16, 24, 3)
    np.testing.assert_allclose(
        total(ex.LRP(), model, pictures), score(model, pictures), rtol=1e-3, atol=1e-4
    )


def test_sizes_are_no_choice():
    def padded(tokens):
        count = tf.shape(tokens)[1]
        return tf.concat([tokens, tf.zeros_like(tokens)], axis=1)[:, :count] * 2.0

    model, pictures = network_with(padded), images(16, 24, 3)
    found = total(ex.DeepLIFT(), model, pictures)
    np.testing.assert_allclose(found, score(model, pictures), rtol=1e-4)


# ---------------------------------------------------------------- complex numbers


def mixed_by_fourier(tokens):
    """The real part of a Fourier transform over tokens and channels (Lee-Thorp et al., 2022)."""
    return tokens + 0.1 * tf.math.real(tf.signal.fft2d(tf.cast(tokens, tf.complex64)))


def mixed_by_matrices(tokens):
    rows, columns = (np.fft.fft(np.eye(size)) for size in (24, 8))

    def mixed(one, other):
        return tf.einsum("pt,ntd,de->npe", np.float32(one), tokens, np.float32(other))

    both = mixed(rows.real, columns.real) - mixed(rows.imag, columns.imag)
    return tokens + 0.1 * both


@pytest.mark.parametrize("explainer", [ex.LRP(), ex.LRP(rule="attention"), ex.DeepLIFT()])
def test_complex_numbers_are_a_way_that_has_no_rule(explainer):
    with pytest.raises(NotApplicable, match=r"Lambda has no rule \(layer 'middle'\)"):
        explainer.bind(network_with(mixed_by_fourier))


@pytest.mark.parametrize("explainer", [ex.AttentionRollout(), ex.GenericAttention()])
def test_attention_does_not_pass_over_a_mixture_by_complex_numbers(explainer):
    def model(mix):
        picture = keras.Input((16, 24, 3))
        tokens = layers.Reshape((24, 8))(layers.Conv2D(8, 4, strides=4)(picture))
        tokens = layers.Lambda(mix, name="mix")(transformers.attention(tokens, "attention"))
        return keras.Model(picture, layers.Dense(3)(ops.mean(tokens, axis=1)))

    for mix in (mixed_by_fourier, mixed_by_matrices):
        with pytest.raises(NotApplicable, match="something else than attention mixes"):
            explainer.bind(model(mix))


def test_gradients_pass_complex_numbers():
    models = [
        _with_equal_weights(network_with(mix)) for mix in (mixed_by_fourier, mixed_by_matrices)
    ]
    maps = [ex.GradientInput().bind(model)(images(16, 24, 3), TARGETS) for model in models]
    np.testing.assert_allclose(*maps, atol=1e-4 * np.abs(maps[1]).max())
