"""Tokens that are read with weights of their own: told from a mean, and refused."""

import keras
import numpy as np
import pytest
from helpers import transformers
from keras import layers, ops

from saliency_bench import network
from saliency_bench.explainers import AttentionRollout, GenericAttention
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

SHAPE, WIDTH = (12, 8, 3), 8
OWN, SUMS = "gives the tokens weights of their own", "divides different sums of the tokens"


@pytest.fixture(scope="module")
def tokens():
    """Images and tokens behind one block, from which every network here goes on."""
    images = keras.Input(SHAPE)
    x = transformers.Positions()(transformers.patch_tokens(images))
    return images, transformers.block(x, "b")


def ends(tokens, read):
    images, x = tokens
    return keras.Model(images, layers.Dense(3)(read(x)))


def total(x, **settings):
    return ops.sum(x, axis=1, **settings)


def mean(x):
    return ops.mean(x, axis=1)


def gate(x, units=1):
    return layers.Dense(units, "sigmoid")(x)


def power(x, units=1):
    return ops.exp(layers.Dense(units)(x))


def late(weights):
    """A sum of weighted tokens over the sum of the weights."""
    return lambda x: (lambda w: total(w * x) / total(w))(weights(x))


def late_with_axes(x):
    w = power(x)
    return (total(w * x, keepdims=True) / total(w, keepdims=True))[:, 0]


def late_product(x):
    w = power(x, WIDTH)
    return total(w * x) * ops.reciprocal(total(w))


def two_heads(x):
    parts = ops.reshape(x, (-1, x.shape[1], 2, WIDTH // 2))
    return layers.Flatten()(mean(parts * gate(x, 2)[..., None]))


class Dotted(layers.Layer):
    """A gate of a dot product that is written as a sum."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1],), initializer="normal")

    def call(self, x):
        return x * ops.sigmoid(ops.sum(x * self.kernel, axis=-1, keepdims=True))


WEIGHED = {
    "exponentials over their sum": (late(power), OWN),
    "and with its axes": (late_with_axes, OWN),
    "sigmoids over their sum": (late(gate), OWN),
    "of each channel": (late(lambda x: power(x, WIDTH)), SUMS),
    "times the reciprocal": (late_product, SUMS),
    "a mean of gated tokens": (lambda x: mean(gate(x) * x), OWN),
    "a gate with a scale": (lambda x: mean(x * (gate(x) * np.arange(8, dtype="float32"))), OWN),
    "a gate that is repeated": (lambda x: mean(x * ops.tile(gate(x), (1, 1, WIDTH))), OWN),
    "a gate in an einsum": (
        lambda x: mean(ops.einsum("btd,bt->btd", x, gate(x)[..., 0])),
        OWN,
    ),
    "a gate of a sum": (lambda x: mean(Dotted()(x)), OWN),
    "a gate of each head": (two_heads, OWN),
    "a gate, then a layer": (lambda x: mean(layers.Dense(WIDTH, "gelu")(gate(x) * x)), OWN),
    "a constant, then a layer": (
        lambda x: mean(layers.Dense(4)(x * np.arange(6, dtype="float32")[:, None])),
        OWN,
    ),
}


@pytest.mark.parametrize("case", WEIGHED)
@pytest.mark.parametrize("explainer", [AttentionRollout, GenericAttention])
def test_weighed_tokens_are_not_read_as_a_mean(case, explainer, tokens):
    read, message = WEIGHED[case]
    with pytest.raises(NotApplicable, match=message) as refusal:
        explainer().bind(ends(tokens, read))
    assert "\n" not in str(refusal.value)


def centred(x):
    return x - ops.mean(x, axis=-1, keepdims=True)


def by_hand(x):
    rest = centred(x)
    return rest / ops.sqrt(ops.mean(rest * rest, axis=-1, keepdims=True) + 1e-3)


def two_means(x):
    return mean(x) * layers.Dense(WIDTH, "sigmoid")(mean(x))


def experts(x):
    """Two layers, each with the share that a softmax of the token gives it."""
    share = layers.Softmax()(layers.Dense(2)(x))
    parts = [share[..., i : i + 1] * layers.Dense(WIDTH, "gelu")(x) for i in range(2)]
    return mean(layers.LayerNormalization()(x + parts[0] + parts[1]))


MEANS = {
    "a normalisation by hand": lambda x: mean(by_hand(x)),
    "a normalisation by hand with a gain": lambda x: mean(by_hand(layers.Dense(WIDTH)(x)) * 2.0),
    "RMSNorm": lambda x: mean(layers.RMSNormalization()(x)),
    "unit length": lambda x: mean(layers.UnitNormalization()(x)),
    "channels of their own gate": lambda x: mean(x * gate(x, WIDTH)),
    "experts beside a residual": experts,
    "a gate behind the mean": lambda x: (lambda y: y * gate(y, WIDTH))(mean(x)),
    "a gate of a second mean": two_means,
    "a normalisation behind the mean": lambda x: by_hand(mean(x)),
    "a sum of means": lambda x: mean(layers.Dense(WIDTH)(x)) + mean(x),
}


@pytest.mark.parametrize("case", MEANS)
def test_what_computes_a_token_from_itself_leaves_a_mean(case, tokens):
    """The same map, to the rounding, as of the mean of the same tokens."""
    photos = np.random.default_rng(4).normal(size=(3, *SHAPE)).astype(np.float32)
    maps = []
    for read in (MEANS[case], mean):
        with network.taking() as taken:
            bound = AttentionRollout(upsample=None).bind(ends(tokens, read))
            maps.append(bound(photos, np.array([0, 2, 1])))
        assert taken[0].endswith("read as the mean of tokens 0 to 5")
    np.testing.assert_allclose(*maps, rtol=1e-5)
    assert np.ptp(maps[1]) > 1e-4


def test_attention_takes_up_what_was_weighed_before_it(tokens):
    """Behind a second block of attention the mean counts all tokens the same again."""
    model = ends(tokens, lambda x: mean(transformers.block(gate(x) * x, "c")))
    with pytest.raises(NotApplicable, match=OWN):
        AttentionRollout().bind(ends(tokens, lambda x: mean(gate(x) * x)))
    AttentionRollout().bind(model)
