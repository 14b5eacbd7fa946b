"""RISE, LIME, KernelSHAP, Sobol and HSIC: known answers, plain references, and flat memory."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from skimage.transform import resize

from saliency_bench import explainers as ex
from saliency_bench.explainers.superpixels import superpixels
from saliency_bench.network import evaluating, target_score
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


def masks_of(explainer, image):
    """All masks of an image `[M, H, W]`."""
    probe = explainer.probe(image, int(image_keys(image[None])[0]))
    return probe.masks(0, probe.count)


def scores_of(model, image, target, masks, fill=0.0):
    """The logits of masked images, each made by hand."""
    blends = np.stack([image * mask[..., None] + fill * (1 - mask[..., None]) for mask in masks])
    targets = np.full(len(masks), target)
    return target_score(model)(blends.astype(np.float32), targets).astype(np.float64)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


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


# ---------------------------------------------------------------- superpixels


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (40, 60, 3), (12, 12, 2)])
def test_superpixels_are_numbered_without_gaps_in_any_units(shape):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    labels = superpixels(image, 10)
    assert labels.shape == shape[:2]
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    assert labels.max() >= 1
    np.testing.assert_array_equal(superpixels(image * 0.5, 10), labels)
    assert superpixels(np.ones(shape, np.float32), 4).max() >= 1


@pytest.mark.parametrize("fill", [0.0, 0.4])
def test_lime_of_a_linear_model_is_its_coefficients(linear, scenes, slopes, fill):
    explainer = ex.LIME(segments=5, samples=60, fill=fill)
    maps = explainer(linear, *scenes)
    for found, image, slope in zip(maps, scenes[0], slopes, strict=True):
        labels = superpixels(image, 5)
        parts = (slope * (image - fill)).sum(axis=-1)
        sums = np.array([parts[labels == s].sum() for s in range(labels.max() + 1)])
        np.testing.assert_allclose(found[..., 0], sums[labels], rtol=1e-3, atol=1e-3)


def test_lime_is_a_weighted_ridge_regression(functional, images, targets):
    from sklearn.linear_model import Ridge

    explainer = ex.LIME(segments=6, samples=50, ridge=0.5, width=0.4)
    found = explainer(functional, images[:1], targets[:1])[0, ..., 0]
    masks, labels = masks_of(explainer, images[0]), superpixels(images[0], 6)
    shown = np.stack([masks[:, labels == s].mean(axis=1) for s in range(labels.max() + 1)], axis=1)
    lengths = np.linalg.norm(shown, axis=1) * np.sqrt(shown.shape[1])
    cosines = np.divide(shown.sum(axis=1), lengths, out=np.zeros(50), where=lengths > 0)
    weights = np.sqrt(np.exp(-((1 - cosines) ** 2) / 0.4**2))
    scores = scores_of(functional, images[0], targets[0], masks)
    fit = Ridge(alpha=0.5).fit(shown, scores, sample_weight=weights)
    close(found, fit.coef_[labels])


def shapley(value, players):
    """Shapley values from their definition: over all orders in which players can join."""
    found = np.zeros(players)
    for order in itertools.permutations(range(players)):
        members = []
        for player in order:
            before = value(members)
            members = [*members, player]
            found[player] += value(members) - before
    return found / math.factorial(players)


def test_kernel_shap_with_all_coalitions_is_shapleys_value(functional, images, targets):
    image, target = images[0], targets[0]
    labels = superpixels(image, 4)
    players = labels.max() + 1
    assert 3 <= players <= 6
    sets = list(itertools.product((0, 1), repeat=int(players)))
    masks = np.array(sets, np.float32)[:, labels]
    known = dict(zip(sets, scores_of(functional, image, target, masks, 0.1), strict=True))
    values = shapley(lambda m: known[tuple(int(s in m) for s in range(players))], players)
    explainer = ex.KernelSHAP(segments=4, samples=2**players, fill=0.1)
    found = explainer(functional, images[:1], targets[:1])[0, ..., 0]
    close(found, (values / np.bincount(labels.ravel()))[labels])


@pytest.mark.parametrize("samples", [30, 100])
def test_kernel_shap_sums_to_the_difference_exactly(model, images, targets, samples):
    explainer = ex.KernelSHAP(segments=8, samples=samples, fill=0.2)
    sums = explainer(model, images, targets).sum(axis=(1, 2, 3))
    score = target_score(model)
    filled = np.full_like(images, 0.2)
    close(sums, score(images, targets) - score(filled, targets))


def test_sampled_kernel_shap_of_a_linear_model_is_exact(linear, scenes, slopes):
    maps = ex.KernelSHAP(segments=12, samples=300)(linear, *scenes)
    for found, image, slope in zip(maps, scenes[0], slopes, strict=True):
        labels, parts = superpixels(image, 12), (slope * image).sum(axis=-1)
        means = np.array([parts[labels == s].mean() for s in range(labels.max() + 1)])
        np.testing.assert_allclose(found[..., 0], means[labels], rtol=1e-3, atol=1e-3)


# ---------------------------------------------------------------- sensitivity


def cells_of(masks, count, side):
    """The value of each cell in each mask: that of its first pixel."""
    step = side // count
    return masks[:, ::step, ::step].reshape(len(masks), -1)


def test_sobol_is_jansens_estimate(functional, images, targets):
    explainer = ex.Sobol(samples=8, cells=3)
    found = explainer(functional, images[:1], targets[:1])[0, ..., 0]
    masks = masks_of(explainer, images[0])
    scores = scores_of(functional, images[0], targets[0], masks).reshape(11, 8)
    values = cells_of(masks, 3, 12).reshape(11, 8, 9)
    for cell in range(9):
        others = np.delete(np.arange(9), cell)
        np.testing.assert_array_equal(values[2 + cell][:, others], values[0][:, others])
        np.testing.assert_array_equal(values[2 + cell][:, cell], values[1][:, cell])
    expected = ((scores[0] - scores[2:]) ** 2).mean(axis=1) / 2 / scores[:2].var()
    close(found, np.kron(expected.reshape(3, 3), np.ones((4, 4))))


def test_sobol_of_a_sum_is_each_cells_share_of_the_variance(linear, scenes, slopes):
    """Uniform factors: cell i with the sum s_i has `s_i^2 / 12`; one without has exactly 0."""
    images, targets = scenes
    images = images[:, :6, :6]
    model = _cropped(linear)
    images = np.array(images)
    images[:, :2, :2] = 0
    maps = ex.Sobol(samples=512, cells=3)(model, images, targets)[..., 0]
    parts = (slopes[:, :6, :6] * images).sum(axis=-1)
    sums = parts.reshape(4, 3, 2, 3, 2).sum(axis=(2, 4))
    expected = sums**2 / (sums**2).sum(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(maps[:, ::2, ::2], expected, atol=0.03)
    assert not maps[:, :2, :2].any()
    assert maps.min() >= 0


def _cropped(linear):
    """The linear model, given images of six columns: the seventh is 0."""
    import keras

    layers = keras.layers
    pad = layers.ZeroPadding2D(((0, 0), (0, 1)))
    return keras.Sequential([keras.Input((6, 6, 2)), pad, linear])


def test_hsic_is_its_trace(functional, images, targets):
    explainer = ex.HSIC(samples=40, cells=3)
    found = explainer(functional, images[:1], targets[:1])[0, ..., 0]
    masks = masks_of(explainer, images[0])
    scores = scores_of(functional, images[0], targets[0], masks)
    shown = cells_of(masks, 3, 12)
    distances = (scores[:, None] - scores) ** 2
    width = np.median([distances[i, j] for i, j in itertools.combinations(range(40), 2)])
    likeness = np.exp(-distances / (2 * width))
    centring = np.eye(40) - 1 / 40
    expected = []
    for values in shown.T:
        same = (values[:, None] == values).astype(float)
        expected.append(np.trace(same @ centring @ likeness @ centring) / 39**2)
    close(found, np.kron(np.reshape(expected, (3, 3)), np.ones((4, 4))))


def test_a_cell_that_does_not_matter_has_hardly_any_hsic(linear, scenes):
    images = np.array(scenes[0][:, :6, :6])
    images[:, :2, :2] = 0
    maps = ex.HSIC(samples=1000, cells=3)(_cropped(linear), images, scenes[1])[..., 0]
    assert maps.min() >= 0
    assert (maps[:, 0, 0] < 0.05 * maps.max(axis=(1, 2))).all()


@every
def test_a_constant_score_is_nobodys(name, constant, images, targets):
    maps = SAMPLED[name](constant, images, targets)
    assert np.ptp(maps, axis=(1, 2, 3)).max() < 1e-5


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
        with evaluating(32):
            bound = explainer.bind(model)
        bound(images, np.array([0, 1]))
        tracemalloc.start()
        bound(images, np.array([0, 1]))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(many) < 1.1 * peak(few) + 20_000


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ex.RISE(samples=0), "samples must be at least 1; got 0"),
        (lambda: ex.RISE(cells=0), "cells must be at least 1; got 0"),
        (lambda: ex.RISE(probability=1.0), r"probability must lie between 0 and 1; got 1\.0"),
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
