from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from saliency_bench.protocols import NotApplicable
from saliency_bench.similarities import SSIM
from saliency_bench.similarities.ssim import running_sum, unit_second_moment


def skimage_scores(a, b, **settings):
    pairs = zip(a[..., 0], b[..., 0], strict=True)
    return [structural_similarity(x, y, **settings) for x, y in pairs]


@pytest.mark.parametrize("shape", [(50, 28, 28, 1), (2, 224, 224, 1), (3, 11, 40, 1)])
@pytest.mark.parametrize(("window", "data_range"), [(3, 1.0), (7, 1.0), (11, 2.5)])
def test_equals_scikit_image(shape, window, data_range, rng):
    a, noise = rng.normal(size=(2, *shape))
    b = 0.6 * a + 0.8 * noise + 0.3
    measure = SSIM(window=window, normalize=None, data_range=data_range)
    expected = skimage_scores(a, b, win_size=window, data_range=data_range)
    np.testing.assert_allclose(measure(a, b), expected, atol=1e-6)


def test_equals_scikit_image_on_heavy_tails(rng):
    a, b = rng.standard_cauchy(size=(2, 4, 32, 32, 1))
    expected = skimage_scores(a, b, win_size=7, data_range=1.0)
    np.testing.assert_allclose(SSIM(normalize=None)(a, b), expected, atol=1e-6)


@pytest.mark.parametrize("second", [0.0, 0.5, 1.0])
def test_constants_without_normalisation_equal_scikit_image(second):
    a, b = np.full((1, 9, 9, 1), 0.5), np.full((1, 9, 9, 1), second)
    expected = skimage_scores(a, b, win_size=7, data_range=1.0)
    np.testing.assert_allclose(SSIM(normalize=None)(a, b), expected, atol=1e-6)


def test_second_moment_by_hand():
    """A mean square of (9 + 16 + 0 + 0) / 4 = 2.5^2."""
    plane = np.array([[[3.0, -4], [0, 0]]])
    np.testing.assert_allclose(unit_second_moment(plane), plane / 2.5)


def test_default_is_scikit_image_after_division_by_the_rms(rng):
    a, b = rng.normal(size=(2, 5, 20, 20, 1)) * 17 + 4
    unit_a, unit_b = (m / np.sqrt((m**2).mean(axis=(1, 2, 3), keepdims=True)) for m in (a, b))
    expected = skimage_scores(unit_a, unit_b, win_size=7, data_range=1.0)
    np.testing.assert_allclose(SSIM()(a, b), expected, atol=1e-6)


def test_the_negative_of_a_map_scores_high(rng):
    """Means and covariances change sign together, and SSIM is their product."""
    a = rng.normal(size=(3, 28, 28, 1))
    assert (SSIM()(a, -a) > 0.8).all()


def test_a_map_of_one_window_has_one_window(rng):
    a, b = rng.normal(size=(2, 3, 7, 7, 1))
    assert SSIM().prepare(a).mean.shape == (3, 1, 1)
    np.testing.assert_allclose(
        SSIM(normalize=None)(a, b), skimage_scores(a, b, win_size=7, data_range=1), atol=1e-6
    )


def test_maps_smaller_than_the_window_do_not_apply():
    with pytest.raises(NotApplicable, match="at least 7x7 pixels; got 28x6"):
        SSIM().prepare(np.zeros((1, 28, 6, 1)))


@pytest.mark.parametrize("width", [3, 4, 7])
def test_running_sum_by_hand(width):
    expected = [sum(range(i, i + width)) for i in range(10 - width + 1)]
    np.testing.assert_array_equal(running_sum(np.arange(10.0), width), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 6}, "window must be odd and at least 3; got 6"),
        ({"window": 1}, "window must be odd and at least 3; got 1"),
        ({"normalize": "max"}, "normalize must be 'second_moment' or None; got 'max'"),
        ({"data_range": 0.0}, "data_range must be positive and finite; got 0.0"),
        ({"data_range": float("nan")}, "data_range must be positive and finite; got nan"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        SSIM(**settings)
