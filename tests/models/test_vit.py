"""The vision transformer against NumPy, and what it refuses."""

import keras
import numpy as np
import pytest
from scipy.special import erf, softmax

from saliency_bench import randomize
from saliency_bench.models import VisionTransformer

SHAPE = (8, 12, 3)
SMALL = {"patch": 4, "width": 6, "blocks": 2, "heads": 2}


def small(**settings):
    model = VisionTransformer(**{**SMALL, **settings}).network(SHAPE, 5, seed=1)
    random = np.random.default_rng(0)
    # Away from the first weights, where gains are 1 and biases 0.
    model.set_weights([w + random.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def normalized(x, layer):
    gain, shift = layer.get_weights()
    variance = x.var(axis=-1, keepdims=True)
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance + 1e-6) * gain + shift


def attention(x, layer):
    wq, bq, wk, bk, wv, bv, wo, bo = layer.get_weights()
    q, k, v = (
        np.einsum("td,dhe->hte", x, w) + b[:, None] for w, b in ((wq, bq), (wk, bk), (wv, bv))
    )
    weights = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]), axis=-1)
    return np.einsum("hte,hed->td", weights @ v, wo) + bo


def mlp(x, first, second):
    (w1, b1), (w2, b2) = first.get_weights(), second.get_weights()
    hidden = x @ w1 + b1
    return hidden * (1 + erf(hidden / np.sqrt(2))) / 2 @ w2 + b2


def by_hand(model, image, *, class_token):
    layer = model.get_layer
    kernel, bias = layer("patches").get_weights()
    rows, columns = SHAPE[0] // 4, SHAPE[1] // 4
    patches = [
        image[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] for i in range(rows) for j in range(columns)
    ]
    x = np.array([np.einsum("hwc,hwcd->d", patch, kernel) + bias for patch in patches])
    if class_token:
        x = np.concatenate([layer("class_token").get_weights()[0][0], x])
    x = x + layer("positions").get_weights()[0][0]
    for block in ("block1", "block2"):
        x = x + attention(
            normalized(x, layer(f"{block}_norm_attention")), layer(f"{block}_attention")
        )
        x = x + mlp(
            normalized(x, layer(f"{block}_norm_mlp")),
            layer(f"{block}_mlp1"),
            layer(f"{block}_mlp2"),
        )
    x = normalized(x, layer("norm"))
    kernel, bias = layer("logits").get_weights()
    return (x[0] if class_token else x.mean(axis=0)) @ kernel + bias


@pytest.mark.parametrize("pool", ["class_token", "mean"])
def test_logits_are_those_computed_by_hand(pool):
    model = small(pool=pool)
    images = np.random.default_rng(2).normal(size=(3, *SHAPE)).astype("float32")
    expected = [by_hand(model, image, class_token=pool == "class_token") for image in images]
    np.testing.assert_allclose(model(images), expected, atol=1e-4)


def test_the_seed_decides_the_weights_and_no_two_kernels_begin_alike():
    one, same, other = (
        VisionTransformer(**SMALL).network(SHAPE, 5, seed=seed).get_weights() for seed in (0, 0, 1)
    )
    assert all(map(np.array_equal, one, same))
    kernels = [w for w in one if w.std() > 0]
    assert not any(
        np.array_equal(a, b)
        for i, a in enumerate(kernels)
        for b in kernels[:i]
        if a.shape == b.shape
    )
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True) if a.std() > 0)


def test_norms_positions_and_class_token_are_blocks_of_their_own():
    names = [block.name for block in randomize.blocks(small())]
    expected = {"logits", "norm", "positions", "class_token", "patches", "block1_norm_mlp"}
    assert expected < set(names)
    assert names[0] == "logits"
    assert names[-1] == "patches"


def test_a_file_holds_all_of_it(tmp_path):
    model = small()
    model.save(tmp_path / "vit.keras")
    images = np.random.default_rng(2).normal(size=(2, *SHAPE)).astype("float32")
    again = keras.models.load_model(tmp_path / "vit.keras", safe_mode=True)
    np.testing.assert_array_equal(again(images), model(images))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch": 0}, "patch must be at least 1; got 0"),
        ({"heads": 5}, "heads must divide width=64; got 5"),
        ({"pool": "max"}, "pool must be one of class_token, mean; got 'max'"),
    ],
)
def test_settings_that_make_no_network(settings, message):
    with pytest.raises(ValueError, match=message):
        VisionTransformer(**settings)


def test_patches_must_fill_the_image():
    with pytest.raises(ValueError, match="patch must divide the sides of images of 8x12; got 5"):
        VisionTransformer(patch=5).network(SHAPE, 5, seed=0)
