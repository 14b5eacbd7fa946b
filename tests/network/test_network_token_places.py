"""Tokens that are more, fewer or elsewhere than rows and columns of patches: served, or why not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import transformers
from keras import layers, ops

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.protocols import NotApplicable, SettingError

pytestmark = pytest.mark.usefixtures("seeded")

SHAPE, WIDTH = (16, 24, 3), 8
TARGETS = np.array([0, 1, 2])
ROLLOUTS = (ex.AttentionRollout, ex.GenericAttention)


def pictures(shape=SHAPE):
    return np.random.default_rng(1).random((3, *shape)).astype(np.float32)


def ends(images, tokens, read):
    return keras.Model(images, layers.Dense(3)(read(tokens)))


def mean(tokens):
    return ops.mean(tokens, axis=1)


def refusal(explainer, model, kind=NotApplicable):
    """Why an explainer does not apply, in one line."""
    with pytest.raises(kind) as raised:
        explainer.bind(model)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ---------------------------------------------------------------- how many they are


def attend(query, every):
    """Attention of one head."""
    q, k, v = (layers.Dense(WIDTH)(x) for x in (query, every, every))
    return ops.softmax(q @ ops.transpose(k, (0, 2, 1))) @ v


def with_one_more(front, behind):
    return lambda tokens: transformers.Special(front, behind)(tokens)


MORE = {
    "a null key in front": with_one_more(1, 0),
    "a null key behind": with_one_more(0, 1),
    "a key of zeros in front": lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 0))),
    "a key of zeros behind": lambda x: ops.pad(x, ((0, 0), (0, 1), (0, 0))),
}


@pytest.mark.parametrize("explainer", ROLLOUTS)
@pytest.mark.parametrize("special", [0, 1])
@pytest.mark.parametrize("kind", MORE)
def test_keys_that_are_no_tokens_are_refused(kind, special, explainer):
    images = keras.Input(SHAPE)
    x = transformers.Special(special)(transformers.patch_tokens(images))
    for _ in range(2):
        x = x + attend(x, MORE[kind](x))
    model = ends(images, x, (lambda t: t[:, 0]) if special else mean)
    assert "is not between all tokens" in refusal(explainer(), model)


@pytest.mark.parametrize("explainer", ROLLOUTS)
@pytest.mark.parametrize(
    ("front", "behind", "read"),
    [
        (1, 0, lambda x: x[:, 0]),
        (0, 1, lambda x: x[:, -1]),
        (1, 0, mean),
        (0, 2, mean),
        (1, 0, lambda x: x[:, 5]),
    ],
)
def test_tokens_that_come_between_two_blocks_are_refused(front, behind, read, explainer):
    images = keras.Input(SHAPE)
    x = transformers.block(transformers.patch_tokens(images), "b0")
    x = transformers.Special(front, behind, name="late")(x)
    model = ends(images, transformers.block(x, "b1"), read)
    message = "the number of tokens changes: ConcatV2 (layer 'late')"
    assert refusal(explainer(), model) == message


@pytest.mark.parametrize("explainer", ROLLOUTS)
@pytest.mark.parametrize("pads", [(1, 0), (0, 1), (2, 2)])
def test_zeros_around_the_last_tokens_are_refused(pads, explainer):
    images = keras.Input(SHAPE)
    x = transformers.block(transformers.patch_tokens(images), "b0")
    model = ends(images, ops.pad(x, ((0, 0), pads, (0, 0))), mean)
    assert "mixes or moves the tokens: Pad" in refusal(explainer(), model)


# ---------------------------------------------------------------- where they are


def columns_first(images):
    patches = layers.Permute((2, 1, 3))(layers.Conv2D(WIDTH, 4, strides=4)(images))
    return layers.Reshape((24, WIDTH))(patches)


def around_a_class_token(images):
    x = transformers.patch_tokens(images)
    middle = transformers.Special()(x)[:, :1]
    return ops.concatenate([x[:, :12], middle, x[:, 12:]], axis=1)


ELSEWHERE = {
    "column by column": (columns_first, 24),
    "in pieces": (around_a_class_token, 25),
}


@pytest.mark.parametrize("explainer", [*ROLLOUTS, ex.GradCAM, ex.EigenCAM])
@pytest.mark.parametrize("grid", [None, (4, 6), (6, 4)])
@pytest.mark.parametrize("how", ELSEWHERE)
def test_an_order_that_the_graph_tells_is_said_and_no_grid_is_asked_for(how, grid, explainer):
    embed, count = ELSEWHERE[how]
    images = keras.Input(SHAPE)
    model = ends(images, transformers.block(embed(images), "b0"), mean)
    message = refusal(explainer(grid=grid), model)
    said = f"lie in the picture {how}, not row by row in one piece; grid= does not change it"
    assert said in message
    assert explainer not in ROLLOUTS or message == f"its {count} tokens {said}"


@pytest.mark.parametrize("grid", [None, (4, 6)])
def test_tokens_that_each_see_the_whole_picture_have_no_grid(grid):
    images = keras.Input(SHAPE)
    x = layers.Dense(24 * WIDTH)(layers.Flatten()(images))
    model = ends(images, transformers.block(layers.Reshape((24, WIDTH))(x), "b0"), mean)
    message = "its 24 tokens lie at no places: each is computed from the whole picture"
    assert refusal(ex.AttentionRollout(grid=grid), model) == message


def test_a_grid_is_too_large_only_for_tokens_whose_places_are_lost():
    """The second axis of the layer holds its 8 channels, and no tokens of which 8 are the most."""
    images = keras.Input(SHAPE)
    x = ops.take(transformers.patch_tokens(images), np.random.default_rng(0).permutation(24), 1)
    turned = layers.Permute((2, 1), name="turned")(x)
    model = ends(images, turned, lambda t: ops.mean(layers.Dense(4)(t), axis=(1,)))
    message = refusal(ex.Activations(grid=(5, 5), layer="turned"), model)
    assert "grid=(rows, columns) tells it for tokens [N, T, D]" in message
    large = ex.AttentionRollout(grid=(5, 5))
    listed = ends(images, transformers.block(x, "b0"), mean)
    assert "at most as many places as there are tokens, 24" in refusal(large, listed, SettingError)


@pytest.mark.parametrize(("patch", "grid"), [((4, 24), (4, 1)), ((16, 4), (1, 6))])
def test_a_row_or_a_column_of_tokens_is_a_grid(patch, grid):
    """One block of even attention: each token gives one half to itself and shares the other."""
    images = keras.Input(SHAPE)
    x = layers.Reshape((-1, WIDTH))(layers.Conv2D(WIDTH, patch, strides=patch)(images))
    model = ends(images, x + attend(0 * x, x), lambda t: t[:, 1])
    count = grid[0] * grid[1]
    expected = np.full(count, 1 / (2 * count))
    expected[1] += 1 / 2
    maps = ex.AttentionRollout(upsample=None)(model, pictures(), TARGETS)
    np.testing.assert_allclose(
        maps, np.tile(expected.reshape(1, *grid, 1), (3, 1, 1, 1)), rtol=1e-5
    )


# ---------------------------------------------------------------- what class attention attends to


@pytest.mark.parametrize("sliced", ["before", "behind"])
def test_class_attention_is_explained_at_the_normalisation_of_its_keys(sliced):
    images = keras.Input(SHAPE)
    x = transformers.block(transformers.Special()(transformers.patch_tokens(images)), "b0")
    token = x[:, :1]  # which lives on beside the keys
    query = layers.LayerNormalization()(token)
    keys = layers.LayerNormalization(name="keys")(x)
    query = query if sliced == "before" else keys[:, :1]
    token = token + layers.MultiHeadAttention(2, 4)(query, keys)
    model = ends(images, layers.LayerNormalization()(token), lambda t: t[:, 0])
    with network.taking() as taken:
        maps = ex.HiResCAM(upsample=None)(model, pictures(), TARGETS)[..., 0]
    assert taken == ["'keys' (4x6x8)"]
    with tf.GradientTape() as tape:
        features, scores = keras.Model(images, [keys, model.output])(pictures())
        score = tf.reduce_sum(tf.gather(scores, TARGETS, axis=1, batch_dims=1))
    slopes = tape.gradient(score, features)
    wanted = (features * slopes).numpy().sum(axis=-1)[:, 1:].reshape(3, 4, 6)
    np.testing.assert_allclose(maps, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())
    assert maps.any()
