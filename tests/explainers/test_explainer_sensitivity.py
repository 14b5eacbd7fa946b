"""Sobol indices and HSIC: their defining sums, and models whose shares are known."""

import itertools

import numpy as np
from helpers.masked import close, masks_of, scores_of

from saliency_bench import explainers as ex


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


def hsic(shown, scores):
    """Of each cell's values `[M]` and the scores, by the trace of four matrices."""
    count = len(scores)
    distances = (scores[:, None] - scores) ** 2
    width = np.median([distances[i, j] for i, j in itertools.combinations(range(count), 2)])
    likeness = np.exp(-distances / (2 * width))
    centring = np.eye(count) - 1 / count
    found = []
    for values in shown.T:
        same = (values[:, None] == values).astype(float)
        found.append(np.trace(same @ centring @ likeness @ centring) / (count - 1) ** 2)
    return np.reshape(found, (3, 3))


def test_hsic_is_its_trace(functional, images, targets):
    explainer = ex.HSIC(samples=40, cells=3)
    found = explainer(functional, images[:1], targets[:1])[0, ..., 0]
    masks = masks_of(explainer, images[0])
    expected = hsic(cells_of(masks, 3, 12), scores_of(functional, images[0], targets[0], masks))
    close(found, np.kron(expected, np.ones((4, 4))))


def test_of_more_masks_hsic_is_the_mean_over_blocks_of_250(functional, images, targets):
    """Of 281 the last 31 count as 31; of 251 the last one says nothing."""
    masks = masks_of(ex.HSIC(samples=281, cells=3), images[0])
    shown = cells_of(masks, 3, 12)
    scores = scores_of(functional, images[0], targets[0], masks)
    first, rest = hsic(shown[:250], scores[:250]), hsic(shown[250:], scores[250:])
    for samples, expected in ((281, (250 * first + 31 * rest) / 281), (251, first)):
        maps = ex.HSIC(samples=samples, cells=3)(functional, images[:1], targets[:1])
        close(maps[0, ::4, ::4, 0], expected)


def test_a_cell_that_does_not_matter_has_hardly_any_hsic(linear, scenes):
    images = np.array(scenes[0][:, :6, :6])
    images[:, :2, :2] = 0
    maps = ex.HSIC(samples=1000, cells=3)(_cropped(linear), images, scenes[1])[..., 0]
    assert maps.min() >= 0
    assert (maps[:, 0, 0] < 0.05 * maps.max(axis=(1, 2))).all()
