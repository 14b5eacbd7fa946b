"""LIME and KernelSHAP: linear models, a library's ridge, and Shapley's own definition."""

import itertools
import math

import numpy as np
import pytest
from helpers.masked import close, masks_of, scores_of

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.network.segmentation import superpixels


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
    score = network.target_score(model)
    filled = np.full_like(images, 0.2)
    close(sums, score(images, targets) - score(filled, targets))


def test_sampled_kernel_shap_of_a_linear_model_is_exact(linear, scenes, slopes):
    maps = ex.KernelSHAP(segments=12, samples=300)(linear, *scenes)
    for found, image, slope in zip(maps, scenes[0], slopes, strict=True):
        labels, parts = superpixels(image, 12), (slope * image).sum(axis=-1)
        means = np.array([parts[labels == s].mean() for s in range(labels.max() + 1)])
        np.testing.assert_allclose(found[..., 0], means[labels], rtol=1e-3, atol=1e-3)


def test_kernel_shap_draws_sizes_by_the_kernel_and_each_set_with_its_complement(images):
    explainer = ex.KernelSHAP(segments=16, samples=6000)
    labels = superpixels(images[0], 16)
    masks = masks_of(explainer, images[0])
    players = labels.max() + 1
    shown = np.stack([masks[:, labels == s].mean(axis=1) for s in range(players)], axis=1)
    np.testing.assert_array_equal(shown[:2], [np.zeros(players), np.ones(players)])
    np.testing.assert_array_equal(shown[3::2], 1 - shown[2::2])
    sizes = np.arange(1, players)
    # The kernel's weight of one set of a size, times how many there are.
    chances = 1 / (sizes * (players - sizes))
    found = np.bincount(shown[2:].sum(axis=1).astype(int), minlength=players)[1:] / 6000
    np.testing.assert_allclose(found, chances / chances.sum(), atol=0.03)
    np.testing.assert_allclose(shown[2:].mean(axis=0), 0.5, atol=1e-9)
