"""RISE against its definition; the masks, memory and settings of all masking methods with noise."""

import itertools
import tracemalloc

import numpy as np
import pytest
from helpers.masked import close, masks_of, scores_of
from skimage.transform import resize

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.randomize import image_keys

SAMPLED = {
    "rise": ex.RISE(samples=9, cells=3),
    "lime": ex.LIME(segments=6, samples=40),
    "kernel_shap": ex.KernelSHAP(segments=12, samples=40),
    "sobol": ex.Sobol(samples=4, cells=3),
    "hsic": ex.HSIC(samples=12, cells=3),
}
every = pytest.mark.parametrize("name", SAMPLED)


@pytest.fixture(scope="module")
def constant():
    """A model whose logits do not depend on the image."""
    import keras

    model = keras.Sequential(
        [keras.Input((12, 12, 2)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.set_weights([np.zeros((288, 3)), np.array([1.0, -2.0, 0.5])])
    return model


# ---------------------------------------------------------------- RISE


def test_rise_is_the_mean_score_of_the_masks_that_show_a_pixel(model, images, targets):
    explainer = ex.RISE(samples=20, cells=4, fill=0.3)
    maps = explainer(model, images[:2], targets[:2])
    for found, image, target in zip(maps, images, targets, strict=False):
        masks = masks_of(explainer, image)
        scores = scores_of(model, image, target, masks, fill=0.3)
        expected = (scores[:, None, None] * masks).sum(axis=0) / masks.sum(axis=0)
        close(found[..., 0], expected)


def test_rises_masks_are_stretched_grids_with_a_shift():
    """Of 3 cells over 12 pixels: 3x3 to 16x16, of which a window of 12x12 is kept."""
    probe = ex.RISE(samples=30, cells=3, seed=4).probe(np.zeros((12, 12, 1), np.float32), 7)
    masks = probe.masks(0, 30)
    grids = [np.array(bits).reshape(3, 3) for bits in itertools.product((0.0, 1.0), repeat=9)]
    stretched = np.stack([resize(grid, (16, 16), order=1, mode="edge") for grid in grids])
    windows = np.stack(
        [stretched[:, i : i + 12, j : j + 12] for i in range(4) for j in range(4)]
    ).reshape(-1, 144)
    for mask in masks:
        assert np.abs(windows - mask.ravel()).max(axis=1).min() < 1e-5
    assert 0.4 < masks.mean() < 0.6


def test_a_constant_score_gives_rise_a_flat_map(constant, images, targets):
    maps = SAMPLED["rise"](constant, images, targets)
    expected = np.array([1.0, -2.0, 0.5])[targets].reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(maps, np.broadcast_to(expected, maps.shape), rtol=1e-5)


def test_more_masks_bring_rise_nearer_to_its_limit(functional, images, targets):
    one, other = (
        [ex.RISE(samples=n, cells=3, seed=seed)(functional, images, targets) for seed in range(2)]
        for n in (30, 1000)
    )
    assert np.abs(other[0] - other[1]).mean() < 0.4 * np.abs(one[0] - one[1]).mean()


# ---------------------------------------------------------------- noise and memory


@every
def test_the_same_masks_for_every_network(name, images):
    """Masks are of the image, its key and the seed; no model is asked."""
    first, again = (masks_of(SAMPLED[name], images[0]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    probe = SAMPLED[name].probe(images[0], 1)
    other = probe.masks(0, probe.count)
    assert other.shape == first.shape
    assert not np.array_equal(other, first)


@every
def test_masks_do_not_depend_on_how_many_are_asked_for_at_once(name, images):
    whole = masks_of(SAMPLED[name], images[0])
    probe = SAMPLED[name].probe(images[0], int(image_keys(images[:1])[0]))
    starts = range(0, probe.count, 5)
    pieces = [probe.masks(start, min(start + 5, probe.count)) for start in starts]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (ex.RISE(samples=50), ex.RISE(samples=5000)),
        (ex.LIME(samples=50), ex.LIME(samples=5000)),
        (ex.KernelSHAP(samples=50), ex.KernelSHAP(samples=5000)),
        (ex.HSIC(samples=300), ex.HSIC(samples=5000)),
    ],
)
def test_memory_does_not_grow_with_the_masks(few, many):
    import keras

    model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    images = np.random.default_rng(0).random((2, 28, 28, 1), np.float32)

    def peak(explainer):
        with network.evaluating(32):
            bound = explainer.bind(model)
        bound(images, np.array([0, 1]))
        tracemalloc.start()
        bound(images, np.array([0, 1]))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    # One batch may be in the making while another is evaluated; all masks would take 16 MB.
    batch = 32 * images[0].nbytes
    assert peak(many) < 1.1 * peak(few) + batch


@every
def test_a_constant_score_is_nobodys(name, constant, images, targets):
    maps = SAMPLED[name](constant, images, targets)
    assert np.ptp(maps, axis=(1, 2, 3)).max() < 1e-5


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ex.RISE(samples=0), "samples must be at least 1; got 0"),
        (lambda: ex.RISE(cells=0), "cells must be at least 1; got 0"),
        (lambda: ex.RISE(probability=1.0), r"probability must lie between 0 and 1; got 1\.0"),
        (lambda: ex.RISE(fill=float("nan")), "fill must be finite; got nan"),
        (lambda: ex.KernelSHAP(fill=float("inf")), "fill must be finite; got inf"),
        (lambda: ex.LIME(segments=0), "segments must be at least 1; got 0"),
        (lambda: ex.LIME(width=0.0), r"width must be above 0; got 0\.0"),
        (lambda: ex.LIME(ridge=-1.0), "ridge must be at least 0; got -1"),
        (lambda: ex.KernelSHAP(samples=0), "samples must be at least 1; got 0"),
        (lambda: ex.Sobol(samples=1), "samples must be at least 2; got 1"),
        (lambda: ex.HSIC(cells=0), "cells must be at least 1; got 0"),
    ],
)
def test_bad_settings_are_one_line(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("explainer", [ex.RISE(cells=13), ex.Sobol(cells=13), ex.HSIC(cells=13)])
def test_cells_that_do_not_fit_are_refused(explainer, functional, images, targets):
    with pytest.raises(ValueError, match="cells must fit the image of 12x12; got 13"):
        explainer(functional, images, targets)
