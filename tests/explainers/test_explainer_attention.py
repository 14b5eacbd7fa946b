"""Attention rollout and generic attention against NumPy, and what must hold of them."""

import numpy as np
import pytest
from scipy.special import erf, softmax

from saliency_bench.explainers import AttentionRollout, GenericAttention
from saliency_bench.models import VisionTransformer

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
