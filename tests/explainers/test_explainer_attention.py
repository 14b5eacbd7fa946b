"""Attention rollout and generic attention against NumPy, and what must hold of them."""

import numpy as np
import pytest
from scipy.special import erf, softmax

from saliency_bench import network
from saliency_bench.explainers import AttentionRollout, GenericAttention
from saliency_bench.models import VisionTransformer
from saliency_bench.protocols import NotApplicable, SettingError

SHAPE, GRID, CLASSES = (8, 12, 3), (2, 3), 4
BOTH = (AttentionRollout, GenericAttention)
TARGETS = np.array([0, 3, 1])


def transformer(pool, seed=0):
    """Two blocks of two heads, with weights that are far from their first values."""
    settings = VisionTransformer(patch=4, width=6, blocks=2, heads=2, pool=pool)
    model = settings.network(SHAPE, CLASSES, seed=seed)
    random = np.random.default_rng(seed)
    model.set_weights([w + random.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(5).normal(size=(3, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module", params=["class_token", "mean"])
def model(request):
    return transformer(request.param)


# ---------------------------------------------------------------- by hand


class ByHand:
    """The same network in NumPy and float64, one image at a time."""

    def __init__(self, model):
        self.weights = {
            layer.name: [np.float64(w) for w in layer.get_weights()] for layer in model.layers
        }
        self.has_class_token = "class_token" in self.weights

    def tokens(self, image):
        kernel, bias = self.weights["patches"]
        patches = [
            np.tensordot(image[4 * i : 4 * i + 4, 4 * j : 4 * j + 4], kernel, 3) + bias
            for i in range(GRID[0])
            for j in range(GRID[1])
        ]
        if self.has_class_token:
            patches = [self.weights["class_token"][0][0, 0], *patches]
        return np.array(patches) + self.weights["positions"][0][0]

    def norm(self, x, name):
        gain, shift = self.weights[name]
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6) * gain + shift

    def __call__(self, image, given=None):
        """Logits `[K]` and the probabilities `[heads, T, T]` of both blocks.

        `given` are probabilities, by block, that replace the computed ones.
        """
        x, every = self.tokens(image), []
        for number in (1, 2):
            y = self.norm(x, f"block{number}_norm_attention")
            wq, bq, wk, bk, wv, bv, wo, bo = self.weights[f"block{number}_attention"]
            q, k, v = (
                np.einsum("td,dhe->hte", y, w) + b[:, None]
                for w, b in ((wq, bq), (wk, bk), (wv, bv))
            )
            own = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]), axis=-1)
            every.append((given or {}).get(number, own))
            x = x + np.einsum("hte,hed->td", every[-1] @ v, wo) + bo
            y = self.norm(x, f"block{number}_norm_mlp")
            (w1, b1), (w2, b2) = (self.weights[f"block{number}_mlp{i}"] for i in (1, 2))
            hidden = y @ w1 + b1
            x = x + hidden * (1 + erf(hidden / np.sqrt(2))) / 2 @ w2 + b2
        x = self.norm(x, "norm")
        kernel, bias = self.weights["logits"]
        return (x[0] if self.has_class_token else x.mean(axis=0)) @ kernel + bias, every

    def gradients(self, image, target):
        """Of the target's logit by the probabilities of both blocks, by central differences."""
        _, every = self(image)
        found = [np.zeros_like(matrix) for matrix in every]
        for number, matrix in enumerate(every, 1):
            for place in np.ndindex(matrix.shape):
                step = np.zeros_like(matrix)
                step[place] = 1e-4
                up, down = (self(image, {number: matrix + s})[0][target] for s in (step, -step))
                found[number - 1][place] = (up - down) / 2e-4
        return found

    def read(self, product):
        """The map `[h, w]` in a product of matrices `[T, T]`."""
        row = product[0, 1:] if self.has_class_token else product.mean(axis=0)
        return row.reshape(GRID)

    def rollout(self, image):
        product = np.eye(len(self.tokens(image)))
        for matrix in self(image)[1]:
            mixed = matrix.mean(axis=0) + np.eye(len(product))
            product = mixed / mixed.sum(axis=1, keepdims=True) @ product
        return self.read(product)

    def generic(self, image, target):
        product = np.eye(len(self.tokens(image)))
        for matrix, slope in zip(self(image)[1], self.gradients(image, target), strict=True):
            product = product + np.maximum(slope * matrix, 0).mean(axis=0) @ product
        return self.read(product)


def test_the_reference_is_the_network(model, photos):
    logits = [ByHand(model)(image)[0] for image in photos]
    np.testing.assert_allclose(model(photos), logits, atol=1e-4)


def test_rollout_by_hand(model, photos):
    maps = AttentionRollout(upsample=None)(model, photos, TARGETS)
    assert maps.dtype == np.float32
    by_hand = [ByHand(model).rollout(image) for image in photos]
    np.testing.assert_allclose(maps[..., 0], by_hand, rtol=1e-4)


def test_generic_attention_by_hand(model, photos):
    maps = GenericAttention(upsample=None)(model, photos, TARGETS)
    by_hand = [ByHand(model).generic(*scene) for scene in zip(photos, TARGETS, strict=True)]
    assert np.ptp(by_hand) > 0.01
    np.testing.assert_allclose(maps[..., 0], by_hand, rtol=1e-3, atol=1e-5)


# ---------------------------------------------------------------- identities


@pytest.mark.parametrize("pool", ["class_token", "mean"])
def test_even_attention_gives_an_even_map(pool, photos):
    """Queries of 0 attend to all tokens alike: each block keeps one half and spreads the other."""
    model = transformer(pool)
    for layer in (model.get_layer(f"block{n}_attention") for n in (1, 2)):
        weights = layer.get_weights()
        layer.set_weights([0 * weights[0], 0 * weights[1], *weights[2:]])
    maps = AttentionRollout()(model, photos, TARGETS)
    count = 7 if pool == "class_token" else 6
    share = 3 / 4 / count if pool == "class_token" else 1 / count
    np.testing.assert_allclose(maps, np.full((3, *SHAPE[:2], 1), share), rtol=1e-5)


def test_rollout_is_the_same_for_every_class(model, photos):
    bound = AttentionRollout().bind(model)
    np.testing.assert_array_equal(bound(photos, TARGETS), bound(photos, (TARGETS + 1) % CLASSES))
    assert not AttentionRollout.class_specific


def test_generic_attention_has_a_map_for_each_class(model, photos):
    bound = GenericAttention().bind(model)
    assert GenericAttention.class_specific
    assert (
        (bound(photos, TARGETS) != bound(photos, (TARGETS + 1) % CLASSES)).any(axis=(1, 2, 3)).all()
    )


def test_a_redrawn_head_leaves_rollout_alone_to_the_bit(model, photos):
    rollout, generic = (explainer().bind(model) for explainer in BOTH)
    before = rollout(photos, TARGETS), generic(photos, TARGETS)
    head = model.get_layer("logits").variables
    with network.swapped(model, head, [np.ones_like(v) - v.numpy() for v in head]):
        np.testing.assert_array_equal(rollout(photos, TARGETS), before[0])
        assert not np.array_equal(generic(photos, TARGETS), before[1])
    np.testing.assert_array_equal(generic(photos, TARGETS), before[1])


def test_live_weights_are_read(model, photos):
    for explainer in BOTH:
        bound = explainer().bind(model)
        other = [np.float32(0.5) * value for value in model.get_weights()]
        with network.swapped(model, model.variables, other):
            live, fresh = bound(photos, TARGETS), explainer().compile(model)(photos, TARGETS)
        np.testing.assert_array_equal(live, fresh)
        assert not np.array_equal(live, bound(photos, TARGETS))


def test_scores_of_0_leave_the_identity(model, photos):
    """Without a gradient R stays I: nothing of the class token's row, 1/T of each mean."""
    head = model.get_layer("logits").variables
    with network.swapped(model, head, [np.zeros(v.shape, np.float32) for v in head]):
        maps = GenericAttention()(model, photos, TARGETS)
    share = 0 if ByHand(model).has_class_token else 1 / 6
    np.testing.assert_allclose(maps, np.full_like(maps, share), rtol=1e-6)


@pytest.mark.parametrize("explainer", BOTH)
def test_a_softmax_at_the_end_is_looked_through(explainer, model, photos):
    import keras

    ends = keras.Model(model.input, keras.layers.Softmax()(model.output))
    maps = explainer()(model, photos, TARGETS)
    np.testing.assert_allclose(explainer()(ends, photos, TARGETS), maps, rtol=1e-5)


@pytest.mark.parametrize("explainer", BOTH)
def test_maps_are_stretched_over_the_picture(explainer, model, photos):
    small = explainer(upsample=None)(model, photos, TARGETS)
    assert small.shape == (3, *GRID, 1)
    large = explainer(upsample="nearest")(model, photos, TARGETS)
    np.testing.assert_array_equal(large, small.repeat(4, axis=1).repeat(4, axis=2))


@pytest.mark.parametrize("explainer", BOTH)
def test_half_precision_differs_by_its_rounding(explainer, photos):
    import keras

    whole = transformer("class_token")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = transformer("class_token")
    finally:
        keras.config.set_dtype_policy("float32")
    assert half.get_layer("block1_attention").compute_dtype == "float16"
    maps, expected = (explainer()(m, photos, TARGETS) for m in (half, whole))
    np.testing.assert_allclose(maps, expected, atol=0.02 * np.abs(expected).max())


# ---------------------------------------------------------------- settings


def test_a_grid_that_the_graph_tells_may_be_named_and_no_other(model, photos):
    for explainer in BOTH:
        named = explainer(grid=[2, 3])(model, photos, TARGETS)
        np.testing.assert_array_equal(named, explainer()(model, photos, TARGETS))
        with pytest.raises(SettingError, match=r"grid must be \(2, 3\), the rows and columns"):
            explainer(grid=(3, 2)).bind(model)


def test_a_grid_that_the_graph_does_not_tell_is_named(photos):
    """Patches that were put in an order of their own: the caller knows what it is."""
    import keras
    from keras import layers, ops

    images = keras.Input(SHAPE)
    tokens = layers.Reshape((6, 6))(layers.Conv2D(6, 4, 4)(images))
    tokens = ops.take(tokens, [5, 1, 4, 2, 0, 3], axis=1)
    tokens = network.ClassToken("normal")(tokens)
    tokens = tokens + layers.MultiHeadAttention(2, 3)(tokens, tokens)
    model = keras.Model(images, layers.Dense(CLASSES)(tokens[:, 0]))
    with pytest.raises(NotApplicable, match=r"its 7 tokens lie; grid=\(rows, columns\) tells it"):
        AttentionRollout().bind(model)
    maps = AttentionRollout(grid=(3, 2), upsample=None)(model, photos, TARGETS)
    assert maps.shape == (3, 3, 2, 1)
    with pytest.raises(SettingError, match="grid must have at most as many places"):
        AttentionRollout(grid=(3, 3)).bind(model)


@pytest.mark.parametrize("explainer", BOTH)
def test_wrong_settings_are_refused(explainer):
    with pytest.raises(ValueError, match="grid must be two positive integers"):
        explainer(grid=(7,))
    with pytest.raises(ValueError, match="upsample must be one of"):
        explainer(upsample="cubic")
