"""Gates of attention: what weighs the values is the product, not the softmax alone."""

import keras
import numpy as np
import pytest
from helpers import transformers
from keras import layers, ops

from saliency_bench import network
from saliency_bench.explainers import AttentionRollout, GenericAttention
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

SHAPE, GRID, WIDTH, TOKENS = (12, 8, 3), (3, 2), 8, 7


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(4).normal(size=(3, *SHAPE)).astype(np.float32)


class Gated(layers.Layer):
    """Attention of one head whose probabilities a gate multiplies; returns what weighs, too."""

    def __init__(self, gate, how="matmul", **settings):
        super().__init__(**settings)
        self.gate, self.how, self.project = gate, how, layers.Dense(5 * WIDTH)

    def call(self, x):
        q, k, v, g, h = ops.split(self.project(x), 5, axis=-1)
        scores = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))))
        gate = {
            "pairs": lambda: ops.sigmoid(4 * ops.matmul(g, ops.transpose(h, (0, 2, 1)))),
            "queries": lambda: ops.sigmoid(4 * g[:, :, :1]),
            "keys": lambda: ops.sigmoid(4 * ops.transpose(h[:, :, :1], (0, 2, 1))),
        }[self.gate]()
        return getattr(self, self.how)(scores, gate, v)

    def matmul(self, scores, gate, v):
        return ops.matmul(scores * gate, v), scores * gate

    def einsum(self, scores, gate, v):
        return ops.einsum("bqk,bkd->bqd", gate * scores, v), scores * gate

    def products_and_sums(self, scores, gate, v):
        return ops.sum((scores * gate)[..., None] * v[:, None], axis=2), scores * gate

    def scaled(self, scores, gate, v):
        return ops.matmul(scores * gate * 0.5, v), scores * gate * 0.5

    def twice(self, scores, gate, v):
        return ops.matmul(scores * gate * ops.sqrt(gate), v), scores * gate * ops.sqrt(gate)

    def behind_the_values(self, scores, gate, v):
        return ops.sum((scores[..., None] * v[:, None]) * gate[..., None], axis=2), scores * gate


def network_of(gate, how="matmul", depth=2):
    """A transformer with a class token, and what its blocks weigh values with."""
    images = keras.Input(SHAPE)
    x = transformers.Positions()(transformers.Special()(transformers.patch_tokens(images)))
    told = []
    for _ in range(depth):
        mixed, weights = Gated(gate, how)(layers.LayerNormalization()(x))
        x, told = x + mixed, [*told, weights]
    scores = layers.Dense(3)(layers.LayerNormalization()(x)[:, 0])
    return keras.Model(images, scores), keras.Model(images, told)


def rollout(matrices):
    """The product `[N, T, T]` of weights `[N, T, T]`, the first block's first."""
    product = np.eye(matrices[0].shape[-1])
    for matrix in matrices:
        mixed = np.asarray(matrix, np.float64) + np.eye(matrix.shape[-1])
        product = mixed / mixed.sum(axis=-1, keepdims=True) @ product
    return product


def maps_of(explainer, model, photos):
    return explainer(upsample=None)(model, photos, np.array([0, 2, 1]))[..., 0]


@pytest.mark.parametrize(
    ("gate", "how"),
    [
        *(("pairs", how) for how in ("matmul", "einsum", "products_and_sums", "scaled", "twice")),
        ("queries", "matmul"),
        ("keys", "matmul"),
        ("keys", "products_and_sums"),
    ],
)
def test_rollout_takes_the_gated_product_that_weighs_the_values(gate, how, photos):
    model, told = network_of(gate, how)
    expected = rollout(told(photos))[:, 0, 1:].reshape(-1, *GRID)
    np.testing.assert_allclose(maps_of(AttentionRollout, model, photos), expected, rtol=1e-4)


@pytest.mark.parametrize("how", ["einsum", "products_and_sums"])
def test_generic_attention_is_the_same_however_a_gate_is_written(how, photos):
    model, plainly = network_of("pairs", how)[0], network_of("pairs")[0]
    plainly.set_weights(model.get_weights())
    expected = maps_of(GenericAttention, plainly, photos)
    np.testing.assert_allclose(
        maps_of(GenericAttention, model, photos), expected, rtol=1e-3, atol=1e-6
    )
    assert np.ptp(expected) > 1e-3


@pytest.mark.parametrize("explainer", [AttentionRollout, GenericAttention])
def test_a_gate_of_weighted_values_is_refused(explainer):
    """Nowhere in such a graph is there the product of probabilities and gate."""
    with pytest.raises(NotApplicable, match="no softmax attention between tokens"):
        explainer().bind(network_of("pairs", "behind_the_values")[0])


# ---------------------------------------------------------------- pools


def pooled_network(pool):
    """A transformer whose tokens `pool` makes one of; its weights `[N, T, ...]`; its matrices."""
    images = keras.Input(SHAPE)
    x = transformers.Positions()(transformers.patch_tokens(images))
    mixed, matrix = layers.MultiHeadAttention(2, 4)(x, x, return_attention_scores=True)
    pooled, weights = pool(layers.LayerNormalization()(x + mixed))
    return keras.Model(images, layers.Dense(3)(pooled)), keras.Model(images, [weights, matrix])


def by_channel(tokens):
    weights = layers.Softmax(axis=1)(layers.Dense(WIDTH)(tokens))
    return ops.sum(weights * tokens, axis=1), weights


def gated(tokens):
    weights = layers.Softmax(axis=1)(layers.Dense(1)(tokens))
    weights = weights * layers.Dense(1, "sigmoid")(tokens)
    return ops.sum(weights * tokens, axis=1), weights


@pytest.mark.parametrize("pool", [by_channel, gated])
def test_what_weighs_pools(pool, photos):
    model, told = pooled_network(pool)
    weights, matrix = (np.asarray(values) for values in told(photos))
    row = weights.mean(axis=2)[:, None]
    expected = (row @ rollout([matrix.mean(axis=1)])).reshape(-1, *GRID)
    np.testing.assert_allclose(maps_of(AttentionRollout, model, photos), expected, rtol=1e-4)


def test_a_gate_of_as_many_channels_as_values_have_is_refused():
    """Of three factors of one shape none is known to be the values."""

    def pool(tokens):
        weights = layers.Softmax(axis=1)(layers.Dense(WIDTH)(tokens))
        gate = layers.Dense(WIDTH, "sigmoid")(tokens)
        return ops.sum(weights * gate * tokens, axis=1), weights

    with pytest.raises(NotApplicable, match="something else than attention mixes"):
        AttentionRollout().bind(pooled_network(pool)[0])


def test_words_of_a_gated_network():
    with network.taking() as taken:
        AttentionRollout().compile(network_of("pairs")[0])
    assert taken == [f"2 attention matrices of {TOKENS} tokens (3x2 patches), read at token 0"]
