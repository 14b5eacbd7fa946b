"""DeepLIFT on tokens: masks of -inf, and heads, windows and tokens in the axis of the batch."""

import numpy as np
import pytest
from helpers import transformers
from helpers.lazily import keras, layers, tf

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

TARGETS = np.array([0, 1, 2, 1, 0])
HEADS, EACH, TOKENS = 2, 4, 24


def images(shape=(16, 24, 3)):
    return np.random.default_rng(5).normal(size=(5, *shape)).astype(np.float32)


def tokens_with(function):
    """Tokens of patches that a function changes; every parameter has a fixed random value."""
    first = keras.Input((16, 24, 3))
    hidden = transformers.Positions()(transformers.patch_tokens(first))
    hidden = layers.Lambda(function, output_shape=(TOKENS, HEADS * EACH), name="odd")(hidden)
    model = keras.Model(first, layers.Dense(3)(layers.GlobalAveragePooling1D()(hidden)))
    return drawn(model)


def drawn(model):
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.4, weights.shape) for weights in model.get_weights()])
    return model


def assert_complete(maps, model):
    score = network.target_score(model)
    pictures = images(model.input_shape[1:])
    difference = score(pictures, TARGETS) - score(np.full_like(pictures, 0.3), TARGETS)
    sums = maps.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, difference, 0, 1e-4 * np.abs(difference).max())


# ---------------------------------------------------------------- masks


def band(low):
    """0 for neighbours, `low` elsewhere."""
    apart = np.abs(np.subtract.outer(np.arange(TOKENS), np.arange(TOKENS)))
    return np.where(apart < 8, 0, low).astype(np.float32)


def by_hand(scores):
    powers = tf.exp(scores)
    return powers / tf.reduce_sum(powers, -1, keepdims=True)


SQUASHED = {
    "softmax": tf.nn.softmax,
    "softmax by hand": by_hand,
    "sigmoid": tf.sigmoid,
}


@pytest.mark.parametrize("squash", SQUASHED)
def test_a_mask_of_minus_infinity_is_one_of_a_very_low_number(squash):
    def masked(low):
        def mixed(x):
            scores = x @ tf.linalg.matrix_transpose(x) / 8
            return SQUASHED[squash](scores + band(low)) @ x

        return tokens_with(mixed)

    low, infinite = (masked(number) for number in (-1e9, -np.inf))
    found, expected = (ex.DeepLIFT(0.3)(m, images(), TARGETS) for m in (infinite, low))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6 * np.abs(expected).max())
    assert_complete(found, infinite)


def test_a_max_pool_may_be_padded_with_minus_infinity():
    def padded(low):
        first = keras.Input((16, 24, 3))
        hidden = layers.Lambda(
            lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=low)
        )(layers.Conv2D(4, 3)(first))
        hidden = layers.Flatten()(layers.MaxPooling2D(3, 2)(hidden))
        return drawn(keras.Model(first, layers.Dense(3)(hidden)))

    low, infinite = (padded(number) for number in (-1e9, -np.inf))
    found, expected = (ex.DeepLIFT(0.3)(m, images(), TARGETS) for m in (infinite, low))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6 * np.abs(expected).max())
    assert_complete(found, infinite)


# ---------------------------------------------------------------- the axis of the batch


def attended(x):
    return tf.nn.softmax(x @ tf.linalg.matrix_transpose(x)) @ x


def head_by_head(x):
    return tf.concat([attended(own) for own in tf.split(x, HEADS, axis=2)], axis=2)


def of_their_own(x):
    heads = tf.transpose(tf.reshape(x, [-1, TOKENS, HEADS, EACH]), [0, 2, 1, 3])
    return tf.reshape(tf.transpose(attended(heads), [0, 2, 1, 3]), [-1, TOKENS, HEADS * EACH])


def within_images(x):
    """Heads of an image lie side by side: `[N * heads, T, D]`."""
    heads = tf.transpose(tf.reshape(x, [-1, TOKENS, HEADS, EACH]), [0, 2, 1, 3])
    mixed = tf.reshape(attended(tf.reshape(heads, [-1, TOKENS, EACH])), [-1, HEADS, TOKENS, EACH])
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, TOKENS, HEADS * EACH])


def around_images(x):
    """Images lie side by side, once for each head: `[heads * N, T, D]`."""
    count = tf.shape(x)[0]
    heads = tf.transpose(tf.reshape(x, [count, TOKENS, HEADS, EACH]), [2, 0, 1, 3])
    mixed = attended(tf.reshape(heads, [-1, TOKENS, EACH]))
    apart = tf.transpose(tf.reshape(mixed, [HEADS, count, TOKENS, EACH]), [1, 2, 0, 3])
    return tf.reshape(apart, [count, TOKENS, HEADS * EACH])


def one_behind_the_other(x):
    """As in the first transformers for TensorFlow: heads are cut apart and put in a column."""
    mixed = attended(tf.concat(tf.split(x, HEADS, axis=2), axis=0))
    return tf.concat(tf.split(mixed, HEADS, axis=0), axis=2)


@pytest.mark.parametrize("way", [of_their_own, within_images, around_images, one_behind_the_other])
def test_where_heads_lie_does_not_matter(way):
    expected = ex.DeepLIFT(0.3)(tokens_with(head_by_head), images(), TARGETS)
    model = tokens_with(way)
    found = ex.DeepLIFT(0.3)(model, images(), TARGETS)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6 * np.abs(expected).max())
    assert_complete(found, model)


def flat(x):
    return tf.reshape(tf.nn.gelu(tf.reshape(x, [-1, HEADS * EACH])), [-1, TOKENS, HEADS * EACH])


def tokens_first(x):
    return tf.transpose(tf.nn.gelu(tf.transpose(x, [1, 0, 2])), [1, 0, 2])


def copied(x):
    return sum(tf.split(tf.nn.gelu(tf.tile(x, [2, 1, 1])), 2, axis=0)) / 2


@pytest.mark.parametrize("way", [flat, tokens_first, copied])
def test_where_tokens_lie_does_not_matter(way):
    expected = ex.DeepLIFT(0.3)(tokens_with(tf.nn.gelu), images(), TARGETS)
    found = ex.DeepLIFT(0.3)(tokens_with(way), images(), TARGETS)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6 * np.abs(expected).max())


def test_windows_and_grids_in_the_batch_sum_to_the_difference():
    model = drawn(transformers.maxvit())
    pictures = images(model.input_shape[1:])
    found = ex.DeepLIFT(0.3)(model, pictures, TARGETS)
    assert_complete(found, model)
    alone = [ex.DeepLIFT(0.3)(model, pictures[i : i + 1], TARGETS[i : i + 1]) for i in range(5)]
    np.testing.assert_allclose(np.concatenate(alone), found, 1e-4, 1e-5 * np.abs(found).max())


@pytest.mark.parametrize("rule", [None, network.rescale(lambda shape: 0.0)])
def test_noise_is_handed_back_to_a_tensor_of_one_row_an_image(rule):
    """The lowest tensor with channels has windows in its first axis, the next one has not."""
    first = keras.Input((8, 8, 1))
    parts = layers.Lambda(lambda x: tf.reshape(x, [-1, 2, 4, 2, 4, 1]))(first)
    parts = layers.Lambda(lambda x: tf.reshape(tf.transpose(x, [0, 1, 3, 2, 4, 5]), [-1, 16, 1]))(
        parts
    )
    hidden = layers.Dense(4, activation="gelu")(parts)
    hidden = layers.Lambda(lambda x: tf.reshape(x, [-1, 64, 4]))(hidden)
    hidden = layers.GlobalAveragePooling1D()(layers.Dense(5, activation="gelu")(hidden))
    kernel = network.HandedBack(keras.Model(first, layers.Dense(3)(hidden)), "logit", rule)
    pictures, noise = images((8, 8, 1)), np.random.default_rng(1).normal(size=(5, 3))
    found = kernel(pictures, lambda count: noise)
    alone = [kernel(pictures[i : i + 1], lambda count, i=i: noise[i : i + 1]) for i in range(5)]
    assert found.shape == (5, 64, 1, 4)
    np.testing.assert_allclose(found, np.concatenate(alone), 1e-4, 1e-6 * np.abs(found).max())


def test_images_that_are_mixed_are_refused_in_one_line():
    model = tokens_with(lambda x: x - tf.square(tf.reduce_mean(x, axis=0, keepdims=True)))
    with pytest.raises(NotApplicable) as refused:
        ex.DeepLIFT().bind(model)
    assert str(refused.value) == (
        "Lambda with Square of a batch in which images are not apart has no rule (layer 'odd')"
    )
