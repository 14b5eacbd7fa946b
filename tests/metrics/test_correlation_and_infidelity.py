"""Faithfulness correlation and infidelity: linear networks and independent references."""

import numpy as np
import pytest

from saliency_bench import metrics, network
from saliency_bench.metrics import faithfulness_correlation, infidelity
from saliency_bench.randomize import stream


@pytest.mark.parametrize("fill", [0.0, -1.5])
def test_correlation_is_one_for_a_linear_network(linear, fill):
    bound = metrics.FaithfulnessCorrelation(fill=fill).bind(linear.model)
    exact = linear.contributions(fill)
    np.testing.assert_allclose(bound(exact, linear.images, linear.targets), 1, atol=1e-4)
    np.testing.assert_allclose(bound(-exact, linear.images, linear.targets), -1, atol=1e-4)
    single = exact.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(bound(single, linear.images, linear.targets), 1, atol=1e-4)


@pytest.mark.parametrize("fill", [0.0, -1.5])
@pytest.mark.parametrize("attribution", ["local", "global"])
def test_infidelity_is_zero_for_a_linear_network(linear, fill, attribution):
    exact = linear.slopes if attribution == "local" else linear.contributions(fill)
    given = (linear.images, linear.targets)
    bound = metrics.Infidelity(fill=fill, attribution=attribution).bind(linear.model)
    either = metrics.Infidelity(fill=fill).bind(linear.model)
    np.testing.assert_allclose(bound(exact, *given), 0, atol=1e-4)
    np.testing.assert_allclose(either(exact * 7, *given), 0, atol=1e-4)
    np.testing.assert_array_equal(bound(-exact, *given), 1)
    assert (either(-exact, *given) > 0.3).all()  # by chance the other reading fits a little


def test_by_default_a_map_has_the_reading_that_explains_more(functional, images, targets):
    maps = np.random.default_rng(15).normal(size=images.shape)
    local, whole, either = (
        metrics.Infidelity(samples=15, attribution=how).bind(functional)(maps, images, targets)
        for how in ("local", "global", "either")
    )
    np.testing.assert_array_equal(either, np.minimum(local, whole))
    assert (local != whole).any()
    other = np.concatenate([maps, maps[..., :1]], axis=-1)
    values = [
        metrics.Infidelity(samples=15, attribution=how).bind(functional)(other, images, targets)
        for how in ("global", "either")
    ]
    np.testing.assert_array_equal(*values)


def test_a_large_colour_image_of_a_linear_network():
    import keras

    model = keras.Sequential(
        [keras.Input((224, 224, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    rng = np.random.default_rng(9)
    weights = rng.normal(size=(224, 224, 3, 2)).astype(np.float32) / 400
    model.set_weights([weights.reshape(-1, 2), np.zeros(2)])
    images, target = rng.random((1, 224, 224, 3)).astype(np.float32), np.array([1])
    correlation = metrics.FaithfulnessCorrelation(subsets=20).bind(model)
    rest = metrics.Infidelity(samples=20).bind(model)
    exact = weights[None, ..., 1]
    np.testing.assert_allclose(correlation(exact * images, images, target), 1, atol=1e-4)
    np.testing.assert_allclose(rest(exact, images, target), 0, atol=1e-4)


def test_correlation_is_scipys_over_the_subsets(functional, images, targets):
    from scipy.stats import pearsonr

    metric = metrics.FaithfulnessCorrelation(subsets=15, share=0.25, fill=0.3)
    maps = np.random.default_rng(10).normal(size=images.shape).astype(np.float32)
    found = metric.bind(functional)(maps, images, targets, keys=np.arange(5))
    for i, image in enumerate(images):
        divisions, each = faithfulness_correlation._divisions(
            144, 0.25, 15, stream("subsets", 0, i)
        )
        masks = [own.reshape(12, 12) == part for own in divisions for part in range(each)][:15]
        assert {int(mask.sum()) for mask in masks} == {36}
        copies = np.stack([np.where(mask[..., None], np.float32(0.3), image) for mask in masks])
        given = np.full(16, targets[i])
        scores = network.target_score(functional)(np.concatenate([image[None], copies]), given)
        sums = [maps[i][mask].sum(dtype=np.float64) for mask in masks]
        expected = pearsonr(sums, scores[0] - scores[1:].astype(np.float64)).statistic
        assert found[i] == pytest.approx(expected, abs=1e-4)


def test_subsets_of_a_division_share_no_pixel():
    divisions, each = faithfulness_correlation._divisions(50, 0.15, 20, np.random.default_rng(0))
    assert each == 50 // 8
    assert len(divisions) * each >= 20
    for own in divisions:
        assert np.bincount(own).tolist() == [8] * 6 + [2]
    assert faithfulness_correlation._divisions(50, 0.9, 2, np.random.default_rng(0))[1] == 1
    assert faithfulness_correlation._divisions(3, 0.1, 2, np.random.default_rng(0))[1] == 3


@pytest.mark.parametrize("attribution", ["local", "global"])
def test_infidelity_is_the_least_of_the_papers_over_scales(
    attribution, functional, images, targets
):
    """The paper's mean of squares, divided by that of the drops, on a fine grid of scales."""
    metric = metrics.Infidelity(samples=15, fill=-0.2, attribution=attribution)
    maps = np.random.default_rng(11).normal(size=images.shape).astype(np.float32)
    found = metric.bind(functional)(maps, images, targets, keys=np.arange(5))
    for i, image in enumerate(images):
        squares = infidelity._squares((12, 12), 0.3, 15, stream("squares", 0, i))
        copies = np.repeat(image[None], 16, axis=0)
        for copy, (top, left, side) in zip(copies[1:], squares, strict=True):
            copy[top : top + side, left : left + side] = -0.2
        scores = network.target_score(functional)(copies, np.full(16, targets[i])).astype(float)
        removed = (image - copies[1:]).astype(float)
        weights = removed if attribution == "local" else removed != 0
        predicted, drops = (weights * maps[i]).sum(axis=(1, 2, 3)), scores[0] - scores[1:]
        best = max(0.0, predicted @ drops / (predicted @ predicted))
        scales = np.append(best * np.linspace(0, 2, 201), 0)
        errors = ((scales[:, None] * predicted - drops) ** 2).mean(axis=1) / (drops**2).mean()
        assert found[i] == pytest.approx(errors.min(), abs=1e-4)


def test_squares_lie_in_the_image():
    squares = infidelity._squares((9, 5), 0.5, 500, np.random.default_rng(1))
    top, left, side = squares.T
    assert side.min() == 1
    assert side.max() == 2
    assert top.min() == left.min() == 0
    assert (top + side).max() == 9
    assert (left + side).max() == 5


def test_a_sum_over_a_square_by_hand():
    plane = np.arange(12.0).reshape(3, 4)
    squares = np.array([[0, 0, 1], [1, 1, 2], [0, 0, 3]])
    np.testing.assert_array_equal(infidelity._sums(plane, squares), [0, 5 + 6 + 9 + 10, 45])


def test_a_local_map_of_other_channels_is_refused(functional, images, targets):
    maps = np.random.default_rng(12).normal(size=(5, 12, 12, 3)).astype(np.float32)
    with pytest.raises(ValueError, match=r"^maps must have one channel or the image's 2 .* got 3$"):
        metrics.Infidelity(attribution="local").bind(functional)(maps, images, targets)


def test_a_network_that_does_not_look_has_no_value(small):
    """A score that never falls cannot be explained."""
    import keras

    model = keras.Sequential(
        [keras.Input((6, 7, 2)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.set_weights([np.zeros((84, 3)), np.arange(3.0)])
    for metric in (metrics.FaithfulnessCorrelation(), metrics.Infidelity()):
        values = metric.bind(model)(small.slopes, small.images, small.targets)
        assert np.isnan(values).all()
