"""Measures of maps as vectors of pixels, against SciPy, scikit-learn and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error
from sklearn.metrics.pairwise import cosine_similarity

from saliency_bench.protocols import NotApplicable
from saliency_bench.similarities import (
    MSE,
    Closeness,
    Cosine,
    Pearson,
    SignAgreement,
    Spearman,
    SpearmanOffBaseline,
    TopKIntersection,
)


def row(*values):
    return np.array(values, np.float64).reshape(1, 1, -1, 1)


def each(function, a, b):
    return [function(x.sum(-1).ravel(), y.sum(-1).ravel()) for x, y in zip(a, b, strict=True)]


@pytest.fixture(params=[(28, 28, 1), (9, 7, 3)], ids=str)
def pair(request, rng):
    a, noise = rng.standard_cauchy(size=(2, 8, *request.param))
    return a, a + 0.5 * noise


def test_pearson_equals_scipy(pair):
    a, b = pair
    expected = each(lambda x, y: pearsonr(x, y).statistic, a, b)
    np.testing.assert_allclose(Pearson()(a, b), expected, atol=1e-6)
    ranges = [m.sum(-1, keepdims=True) for m in pair]
    expected = each(lambda x, y: pearsonr(x, y).statistic, *map(np.abs, ranges))
    np.testing.assert_allclose(Pearson(absolute=True)(*ranges), expected, atol=1e-6)


def test_pearson_does_not_see_what_is_added(pair):
    a, b = pair
    np.testing.assert_allclose(Pearson()(3 * a + 100, b), Pearson()(a, b), atol=1e-8)


def test_cosine_equals_scikit_learn(pair):
    a, b = pair
    expected = each(lambda x, y: cosine_similarity([x], [y])[0, 0], a, b)
    np.testing.assert_allclose(Cosine()(a, b), expected, atol=1e-12)


def test_cosine_by_hand():
    """3 * 4 + 4 * 3 = 24 of 5 * 5; a right angle is 0."""
    assert Cosine()(row(3, 4), row(4, 3))[0] == pytest.approx(24 / 25)
    assert Cosine()(row(1, 0), row(0, 1))[0] == 0
    assert Cosine()(row(1, 2), row(-1, -2))[0] == pytest.approx(-1)


def test_mse_equals_scikit_learn(pair):
    a, b = pair
    expected = each(
        lambda x, y: 1 - mean_squared_error(x, y) / (np.mean(x**2) + np.mean(y**2)), a, b
    )
    np.testing.assert_allclose(MSE()(a, b), expected, atol=1e-12)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_mse_sees_the_size_of_a_map(factor, rng):
    """A map and its double: 1 - 1 / (1 + 4) = 4 / 5, whichever is larger."""
    a = rng.normal(size=(2, 6, 6, 1))
    np.testing.assert_allclose(MSE()(factor * a, a), 0.8)
    np.testing.assert_allclose(Cosine()(factor * a, a), 1)


@pytest.mark.parametrize("scale", [1e-200, 3e-21, 1e200])
def test_mse_of_tiny_and_huge_maps_is_defined(scale, rng):
    a, b = rng.normal(size=(2, 3, 6, 6, 1))
    np.testing.assert_allclose(MSE()(scale * a, scale * b), MSE()(a, b))
    np.testing.assert_allclose(MSE()(scale * a, b), 0, atol=1e-15)


def test_closeness_is_the_relative_distance_over_all_channels(pair):
    a, b = pair
    expected = [1 - np.linalg.norm(y - x) / np.linalg.norm(x) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(Closeness()(a, b), expected, atol=1e-12)


def test_closeness_by_hand():
    """From (3, 4) to (3, 5) is 1 of 5; a map and its negative are 2 apart in units of its size."""
    assert Closeness()(row(3, 4), row(3, 5))[0] == pytest.approx(0.8)
    assert Closeness()(row(3, 4), row(-3, -4))[0] == pytest.approx(-1)
    assert Closeness()(row(6, 8), row(3, 4))[0] == pytest.approx(0.5)
    assert Closeness()(row(3, 4), row(6, 8))[0] == pytest.approx(0)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_closeness_of_tiny_and_huge_maps_is_defined(scale, rng):
    a, b = rng.normal(size=(2, 3, 6, 6, 1))
    np.testing.assert_allclose(Closeness()(scale * a, scale * b), Closeness()(a, b))


def test_top_k_equals_the_sets_of_numpy_and_scikit_learn(pair):
    a, b = pair

    def expected(x, y):
        tops = [np.isin(np.arange(x.size), np.argsort(v)[-20:]) for v in (x, y)]
        assert f1_score(*tops) == pytest.approx((tops[0] & tops[1]).sum() / 20)
        return f1_score(*tops)

    np.testing.assert_allclose(TopKIntersection(k=20)(a, b), each(expected, a, b))


def test_top_k_by_hand():
    """Of the two highest each, one is shared; a share of 40 % of five pixels is two."""
    a, b = row(5, 4, 3, 2, 1), row(1, 9, 3, 8, 2)
    for k in (2, 0.4):
        assert TopKIntersection(k=k)(a, b)[0] == 0.5


def test_pixels_that_tie_for_the_last_places_divide_them():
    """Of [1, 1/2, 1/2, 0] and [1, 1, 0, 0] the smaller ones sum to 3/2 of 2 places."""
    assert TopKIntersection(k=2)(row(3, 1, 1, 0), row(3, 2, 1, 0))[0] == 0.75


def test_top_k_of_small_maps_does_not_apply():
    with pytest.raises(NotApplicable, match="k must be smaller than the map of 4 pixels; got 4"):
        TopKIntersection(k=4)(row(1, 2, 3, 4), row(1, 2, 3, 4))


@pytest.mark.parametrize("k", [0, -1, 1.5, np.nan])
def test_k_is_a_share_or_a_number(k):
    with pytest.raises(ValueError, match=r"k must be a share in \(0, 1\) or a number of pixels"):
        TopKIntersection(k=k)


def test_sign_agreement_is_twice_the_accuracy_minus_one(pair):
    a, b = pair
    expected = each(lambda x, y: 2 * accuracy_score(x > 0, y > 0) - 1, a, b)
    np.testing.assert_allclose(SignAgreement()(a, b), expected, atol=1e-12)


def test_zeros_have_no_sign():
    """Of the three pixels where neither is 0, two agree: 2/3 - 1/3."""
    a, b = row(1, -1, 2, 0, 0, 3), row(5, -2, -1, 0, 4, 0)
    assert SignAgreement()(a, b)[0] == pytest.approx(1 / 3)


def test_maps_without_a_common_pixel_have_no_sign_agreement():
    assert np.isnan(SignAgreement()(row(1, 0), row(0, 1)))[0]


@pytest.mark.parametrize("absolute", [True, False])
def test_off_baseline_equals_scipy_over_the_pixels_that_are_not_0(absolute, rng):
    a, b = rng.integers(-3, 4, size=(2, 10, 28, 28, 1)) * (rng.random((2, 10, 28, 28, 1)) < 0.5)

    def expected(x, y):
        own = (x != 0) & (y != 0)
        x, y = (np.abs(v[own]) if absolute else v[own] for v in (x, y))
        return spearmanr(x, y).statistic

    measure = SpearmanOffBaseline(absolute=absolute)
    np.testing.assert_allclose(measure(a, b), each(expected, a, b), atol=1e-12)


@pytest.mark.parametrize("absolute", [True, False])
def test_without_zeros_all_pixels_count(absolute, rng):
    a, b = rng.normal(size=(2, 5, 9, 9, 3))
    every, off = (kind(absolute=absolute) for kind in (Spearman, SpearmanOffBaseline))
    np.testing.assert_allclose(off(a, b), every(a, b), atol=1e-12)


def test_channels_that_cancel_are_not_at_the_baseline(rng):
    """The sum of the channels is 0 there, and counts."""
    a, b = rng.normal(size=(2, 2, 7, 7, 2))
    a[:, 0] = [1, -1]
    expected = each(lambda x, y: spearmanr(x, y).statistic, a, b)
    np.testing.assert_allclose(SpearmanOffBaseline(absolute=False)(a, b), expected, atol=1e-12)


def test_fewer_pixels_than_the_least_are_undefined(rng):
    a, b = rng.normal(size=(2, 2, 10, 10, 1))
    a[0].flat[30:] = 0
    a[1].flat[29:] = 0
    np.testing.assert_array_equal(np.isnan(SpearmanOffBaseline()(a, b)), [False, True])
    assert np.isfinite(SpearmanOffBaseline(least=29)(a, b)).all()
    b[:, :2] = 0  # each map has enough, both together have 10
    assert np.isnan(SpearmanOffBaseline()(a, b)).all()


def test_the_input_alone_decides_the_magnitude_of_a_sparse_image(rng):
    """Noise times an image, 88 % of it 0: nearly equal magnitudes, and hardly so off the 0s.

    (Kokhlikyan et al., 2021): the multiplier brings the structure of the input.
    """
    image = rng.random((20, 28, 28, 1)) * (rng.random((20, 28, 28, 1)) < 0.12)
    a, b = rng.normal(size=(2, 20, 28, 28, 1)) * image
    scores = {
        (absolute, kind): kind(absolute=absolute)(a, b).mean()
        for absolute in (True, False)
        for kind in (Spearman, SpearmanOffBaseline)
    }
    assert scores[True, Spearman] > 0.9
    assert 0.1 < scores[True, SpearmanOffBaseline] < 0.6
    assert abs(scores[False, Spearman]) < 0.1
    assert abs(scores[False, SpearmanOffBaseline]) < 0.1


def test_least_is_at_least_two():
    with pytest.raises(ValueError, match="least must be at least 2 pixels; got 1"):
        SpearmanOffBaseline(least=1)
