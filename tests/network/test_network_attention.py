"""Attention in a traced graph: what is found, how the tokens are read, what is refused."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from saliency_bench import network
from saliency_bench.explainers import AttentionRollout, GenericAttention
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

SHAPE, GRID, WIDTH = (12, 8, 3), (3, 2), 8
PATCHES = GRID[0] * GRID[1]


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(4).normal(size=(3, *SHAPE)).astype(np.float32)


# ---------------------------------------------------------------- ways of writing attention


class ByHand(layers.Layer):
    """Self-attention of two heads, written out in one of several ways."""

    def __init__(self, how, **settings):
        super().__init__(**settings)
        self.how, self.project = how, layers.Dense(3 * WIDTH)
        self.dropout = layers.Dropout(0.5)

    def call(self, tokens):
        size = tokens.shape[1]
        parts = ops.reshape(self.project(tokens), (-1, size, 3, 2, 4))
        q, k, v = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), axis=0)
        mixed = getattr(self, self.how)(q, k, v, size)
        return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, size, WIDTH))

    def matmul(self, q, k, v, size):
        return ops.softmax(ops.matmul(q, ops.swapaxes(k, 2, 3)) / 2) @ v

    def heads_in_the_batch(self, q, k, v, size):
        q, k, v = (ops.reshape(part, (-1, size, 4)) for part in (q, k, v))
        mixed = ops.matmul(ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) / 2), v)
        return ops.reshape(mixed, (-1, 2, size, 4))

    def einsum(self, q, k, v, size):
        scores = ops.softmax(ops.einsum("bhqd,bhkd->bqkh", q, k) / 2, axis=2)
        return ops.einsum("bqkh,bhkd->bhqd", scores, v)

    def ellipsis(self, q, k, v, size):
        import tensorflow as tf

        scores = tf.nn.softmax(tf.einsum("...qd,...kd->...qk", q, k) / 2)
        return tf.einsum("...qk,...kd->...qd", scores, v)

    def keys_first(self, q, k, v, size):
        scores = ops.softmax(ops.einsum("bhqd,bhkd->bhkq", q, k) / 2, axis=2)
        return ops.einsum("bhkq,bhkd->bhqd", scores, v)

    def exponentials(self, q, k, v, size):
        powers = ops.exp(ops.matmul(q, ops.swapaxes(k, 2, 3)) / 2)
        return ops.matmul(powers / ops.sum(powers, axis=-1, keepdims=True), v)

    def products_and_sums(self, q, k, v, size):
        scores = ops.softmax(ops.matmul(q, ops.swapaxes(k, 2, 3)) / 2)
        return ops.sum(scores[..., None] * v[:, :, None], axis=3)

    def masked(self, q, k, v, size):
        scores = ops.matmul(q, ops.swapaxes(k, 2, 3)) / 2
        scores = ops.where(np.ones((size, size), bool), scores, -1e9)
        return ops.matmul(self.dropout(ops.softmax(scores) * 1.0), v)


WRITTEN = [
    "matmul", "heads_in_the_batch", "einsum", "ellipsis", "keys_first", "exponentials",
    "products_and_sums", "masked",
]  # fmt: skip


def network_of(mix, *, special=1, read=lambda tokens: tokens[:, 0], depth=2):
    """A transformer of some blocks with special tokens in front; `mix` makes each attention."""
    images = keras.Input(SHAPE)
    tokens = layers.Reshape((-1, WIDTH))(layers.Conv2D(WIDTH, 4, strides=4)(images))
    for _ in range(special):
        tokens = network.ClassToken("normal")(tokens)
    tokens = network.Positions("normal")(tokens)
    for _ in range(depth):
        tokens = tokens + mix(layers.LayerNormalization()(tokens))
        hidden = layers.Dense(16, "gelu")(layers.LayerNormalization()(tokens))
        tokens = tokens + layers.Dense(WIDTH)(hidden)
    tokens = layers.LayerNormalization()(tokens)
    return keras.Model(images, layers.Dense(3, activation="softmax")(read(tokens)))


def by_hand(how):
    return lambda tokens: ByHand(how)(tokens)


def maps_of(explainer, model, photos):
    return explainer(upsample=None)(model, photos, np.array([0, 2, 1]))


@pytest.fixture(scope="module")
def written_plainly():
    return network_of(by_hand("matmul"))


@pytest.mark.parametrize("explainer", [AttentionRollout, GenericAttention])
@pytest.mark.parametrize("how", WRITTEN[1:])
def test_the_same_attention_in_other_words_has_the_same_map(
    explainer, how, written_plainly, photos
):
    model = network_of(by_hand(how))
    model.set_weights(written_plainly.get_weights())
    np.testing.assert_allclose(model(photos), written_plainly(photos), atol=1e-5)
    expected = maps_of(explainer, written_plainly, photos)
    np.testing.assert_allclose(maps_of(explainer, model, photos), expected, rtol=1e-3, atol=1e-6)
    assert np.ptp(expected) > 1e-3


def rollout(matrices):
    """The product `[N, T, T]` of probabilities `[N, heads, T, T]`, the first block's first."""
    product = np.eye(matrices[0].shape[-1])
    for matrix in matrices:
        mixed = np.asarray(matrix).mean(axis=1) + np.eye(matrix.shape[-1])
        product = mixed / mixed.sum(axis=-1, keepdims=True) @ product
    return product


KERAS = {
    "multi_head": lambda: layers.MultiHeadAttention(2, 4),
    "dropout": lambda: layers.MultiHeadAttention(2, 4, dropout=0.3),
    "grouped_query": lambda: layers.GroupQueryAttention(4, 4, 2),
    "grouped_query_dropout": lambda: layers.GroupQueryAttention(4, 4, 2, dropout=0.3),
}


def remembered(make, told):
    """Self-attention by a layer of Keras, and in `told` the layer and its inputs."""

    def mix(tokens):
        layer = make()
        told.append((layer, (tokens, tokens)))
        return layer(tokens, tokens)

    return mix


def as_they_tell(model, told, photos):
    """The probabilities `[N, heads, T, T]` that layers of Keras return themselves."""
    inputs = keras.Model(model.input, [tensors for _, tensors in told])(photos)
    return [
        np.asarray(layer(*values, return_attention_scores=True)[1])
        for (layer, _), values in zip(told, inputs, strict=True)
    ]


@pytest.mark.parametrize("kind", KERAS)
def test_layers_of_keras_are_found_as_they_tell_their_probabilities(kind, photos):
    told = []
    model = network_of(remembered(KERAS[kind], told))
    probabilities = as_they_tell(model, told, photos)
    expected = rollout(probabilities)[:, 0, 1:].reshape(-1, *GRID)
    found = maps_of(AttentionRollout, model, photos)[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def on_the_grid():
    """Attention on rows and columns, as a matrix of four axes, with no list of tokens."""
    images = keras.Input(SHAPE)
    grid = layers.Conv2D(WIDTH, 4, strides=4)(images)
    told = []
    for _ in range(2):
        layer = layers.MultiHeadAttention(2, 4)
        mixed, scores = layer(grid, grid, return_attention_scores=True)
        told.append(scores)
        grid = grid + mixed
    pooled = layers.GlobalAveragePooling2D()(grid)
    return keras.Model(images, layers.Dense(3)(pooled)), keras.Model(images, told)


def test_attention_on_a_grid_is_of_all_its_places(photos):
    model, told = on_the_grid()
    flat = [np.reshape(scores, (-1, 2, PATCHES, PATCHES)) for scores in told(photos)]
    expected = rollout(flat).mean(axis=1).reshape(-1, *GRID)
    found = maps_of(AttentionRollout, model, photos)[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_is_masked_gets_nothing(photos):
    """A first token that sees itself alone takes nothing from the patches."""

    def mix(tokens):
        return layers.MultiHeadAttention(2, 4, dropout=0.1)(tokens, tokens, use_causal_mask=True)

    for explainer in (AttentionRollout, GenericAttention):
        assert not maps_of(explainer, network_of(mix), photos).any()
        last = network_of(mix, read=lambda tokens: tokens[:, -1])
        assert (maps_of(explainer, last, photos) > 0).any()


# ---------------------------------------------------------------- how tokens are read


def first(tokens):
    return tokens[:, 0]


def mean(tokens):
    return layers.GlobalAveragePooling1D()(tokens)


READ = {
    "a slice": (lambda t: layers.Flatten()(t[:, :1]), "read at token 0"),
    "an ellipsis": (lambda t: ops.expand_dims(t, 1)[..., 0, :][:, 0], "read at token 0"),
    "a negative index": (lambda t: t[:, -7], "read at token 0"),
    "take": (lambda t: ops.take(t, 0, axis=1), "read at token 0"),
    "split": (lambda t: ops.split(t, [1], axis=1)[0][:, 0], "read at token 0"),
    "unstack": (lambda t: ops.unstack(t, axis=1)[1], "read at token 1"),
    "the last": (lambda t: t[:, -1], "read at token 6"),
    "a mean": (mean, "read as the mean of tokens 0 to 6"),
    "a sum": (lambda t: ops.sum(t, axis=1), "read as the mean of tokens 0 to 6"),
    "a mean of patches": (lambda t: mean(t[:, 1:]), "read as the mean of tokens 1 to 6"),
    "a norm behind": (
        lambda t: layers.LayerNormalization()(mean(layers.LayerNormalization()(t[:, 1:]))),
        "read as the mean of tokens 1 to 6",
    ),
}


def words(model):
    with network.taking() as taken:
        AttentionRollout().compile(model)
    return taken[0]


@pytest.mark.parametrize("how", READ)
def test_how_tokens_are_read_is_found(how):
    read, expected = READ[how]
    found = words(network_of(by_hand("matmul"), read=read))
    assert found == f"2 attention matrices of 7 tokens (3x2 patches), {expected}"


@pytest.mark.parametrize("special", [0, 1, 3])
def test_special_tokens_are_counted(special, photos):
    read = mean if special == 0 else first
    model = network_of(by_hand("matmul"), special=special, read=read)
    assert f"of {6 + special} tokens (3x2 patches)" in words(model)
    assert maps_of(AttentionRollout, model, photos).shape == (3, *GRID, 1)


class Probe(layers.Layer):
    """One learned query."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, WIDTH), initializer="normal")

    def call(self, tokens):
        return ops.broadcast_to(self.token, (ops.shape(tokens)[0], 1, WIDTH))


def softmax_of(tokens):
    return layers.Softmax(axis=1)(layers.Dense(1)(tokens))


def weighed(tokens):
    weights = softmax_of(tokens)
    return ops.sum(weights * tokens, axis=1), weights


def dotted(tokens):
    weights = softmax_of(tokens)
    return layers.Flatten()(layers.Dot(axes=1)([weights, tokens])), weights


def contracted(tokens):
    weights = layers.Softmax()(layers.Dense(1)(tokens)[..., 0])
    return ops.einsum("bt,btd->bd", weights, tokens), weights


@pytest.mark.parametrize("pool", [weighed, dotted, contracted])
def test_attention_that_pools_weighs_the_rows(pool, photos):
    told, weights = [], []

    def read(tokens):
        pooled, own = pool(tokens)
        weights.append(own)
        return pooled

    mix = remembered(KERAS["multi_head"], told)
    model = network_of(mix, special=0, read=read)
    row = np.reshape(keras.Model(model.input, weights[0])(photos), (3, 1, PATCHES))
    expected = row @ rollout(as_they_tell(model, told, photos))
    found = maps_of(AttentionRollout, model, photos)
    np.testing.assert_allclose(found[..., 0], expected.reshape(-1, *GRID), rtol=1e-4)
    assert words(model).endswith("pooled by attention")
    assert (maps_of(GenericAttention, model, photos) >= 0).all()


def test_one_learned_query_pools_with_all_its_heads(photos):
    told = []

    def read(tokens):
        layer, query = layers.MultiHeadAttention(2, 4), Probe()(tokens)
        told.append((layer, (query, tokens)))
        return layer(query, tokens)[:, 0]

    model = network_of(remembered(KERAS["multi_head"], told), special=0, read=read)
    *matrices, row = as_they_tell(model, told, photos)
    expected = row.mean(axis=1) @ rollout(matrices)
    found = maps_of(AttentionRollout, model, photos)
    np.testing.assert_allclose(found[..., 0], expected.reshape(-1, *GRID), rtol=1e-4)


# ---------------------------------------------------------------- what is refused


def mixer(tokens):
    turned = ops.transpose(by_hand("matmul")(tokens), (0, 2, 1))
    return ops.transpose(layers.Dense(tokens.shape[1])(turned), (0, 2, 1))


def convolved(tokens):
    return layers.Conv1D(WIDTH, 3, padding="same")(by_hand("matmul")(tokens))


def gated(tokens):
    gate = layers.Dense(WIDTH, "sigmoid")(ops.mean(tokens, axis=1, keepdims=True))
    return layers.Multiply()([by_hand("matmul")(tokens), gate])


def side_by_side(tokens):
    return ByHand("matmul")(tokens) + ByHand("matmul")(tokens)


def between_channels(tokens):
    scores = layers.Softmax()(ops.einsum("btd,bte->bde", tokens, tokens))
    return ops.einsum("bde,bte->btd", scores, tokens)


def in_windows(tokens):
    windows = ops.reshape(tokens, (-1, 2, WIDTH))
    return ops.reshape(ByHand("matmul")(windows), (-1, PATCHES, WIDTH))


def summary_of_a_few(tokens):
    """Attention from three learned queries to the tokens, and back."""
    few = ops.mean(tokens[:, :3], axis=1, keepdims=True) + ops.zeros((1, 3, WIDTH))
    layer = layers.MultiHeadAttention(2, 4)
    return by_hand("matmul")(tokens) + layer(tokens, few)


ONE_WAY = "the tokens must be read in one way"
OTHER = "something else than attention mixes or moves the tokens"

REFUSED = {
    "no attention": (
        lambda t: layers.Dense(WIDTH)(t),
        first,
        "no softmax attention between tokens",
    ),
    "a mixer": (mixer, first, f"{OTHER}: MatMul .layer 'dense"),
    "a convolution": (convolved, first, OTHER),
    "a gate of all tokens": (gated, first, f"{OTHER}: Mul .layer 'multiply"),
    "side by side": (side_by_side, first, "of layers 'by_hand.*' and 'by_hand.*' is side by side"),
    "channels": (between_channels, first, "of layer 'softmax.*' is not between all tokens"),
    "cross": (summary_of_a_few, first, OTHER),
    "flattened": (by_hand("matmul"), lambda t: layers.Flatten()(t), f"{OTHER}: MatMul"),
    "a maximum": (by_hand("matmul"), lambda t: ops.max(t, axis=1), f"{OTHER}: Max"),
    "two tokens": (by_hand("matmul"), lambda t: t[:, 0] + t[:, 1], f"{ONE_WAY}; .*0 and .*1"),
    "token and mean": (
        by_hand("matmul"),
        lambda t: ops.concatenate([t[:, 0], mean(t[:, 1:])], axis=-1),
        f"{ONE_WAY}; they are read at token 0 and read as the mean of tokens 1 to 6",
    ),
    "own weights": (
        by_hand("matmul"),
        lambda t: mean(t * np.arange(7, dtype="float32")[:, None]),
        "gives the tokens weights of their own",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("explainer", [AttentionRollout, GenericAttention])
def test_what_does_not_compose_is_refused_in_one_line(case, explainer):
    mix, read, message = REFUSED[case]
    with pytest.raises(NotApplicable, match=message) as refusal:
        explainer().bind(network_of(mix, read=read, depth=1))
    assert "\n" not in str(refusal.value)


def test_windows_are_refused():
    with pytest.raises(NotApplicable, match="not between all tokens, but in windows"):
        AttentionRollout().bind(network_of(in_windows, special=0, read=mean, depth=1))


def test_several_queries_pool_nothing():
    def latent(tokens):
        few = ops.reshape(layers.Dense(2 * WIDTH)(Probe()(tokens)), (-1, 2, WIDTH))
        return layers.Flatten()(layers.MultiHeadAttention(2, 4, name="pool")(few, tokens))

    model = network_of(by_hand("matmul"), special=0, read=latent)
    with pytest.raises(NotApplicable, match="layer 'pool' is not between all tokens"):
        AttentionRollout().bind(model)


def test_gates_with_a_softmax_are_no_attention():
    """A softmax over channels whose values scale a feature map, and the softmax of the classes."""
    images = keras.Input(SHAPE)
    features = layers.Conv2D(WIDTH, 3)(images)
    gate = layers.Dense(WIDTH, "softmax")(layers.GlobalAveragePooling2D(keepdims=True)(features))
    pooled = layers.GlobalAveragePooling2D()(features * gate)
    model = keras.Model(images, layers.Dense(3, "softmax")(pooled))
    with pytest.raises(NotApplicable, match="no softmax attention between tokens of the picture"):
        AttentionRollout(output="probability").bind(model)


def test_flash_attention_is_off_while_a_model_is_traced_and_then_as_before():
    seen = []

    class Asking(layers.Layer):
        def call(self, values):
            seen.append(keras.config.is_flash_attention_enabled())
            return values

    model = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), Asking(), layers.Dense(3)])
    before = keras.config.is_flash_attention_enabled()
    seen.clear()
    network.target_score(model)
    assert seen == [False]
    assert keras.config.is_flash_attention_enabled() is before
