from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from skimage import feature

from saliency_bench.protocols import NotApplicable
from saliency_bench.similarities import HOGCorrelation
from saliency_bench.similarities.hog import hog


def skimage_hog(planes, cell):
    settings = {"orientations": 9, "pixels_per_cell": (cell, cell), "cells_per_block": (3, 3)}
    return np.stack([feature.hog(plane, **settings) for plane in planes])


@pytest.mark.parametrize(
    ("shape", "cell"),
    [((30, 28, 28), 4), ((2, 224, 224), 16), ((3, 21, 34), 5), ((3, 20, 17), 3), ((2, 8, 8), 2)],
)
def test_descriptor_equals_scikit_image(shape, cell, rng):
    planes = rng.normal(size=shape)
    np.testing.assert_allclose(hog(planes, cell), skimage_hog(planes, cell), atol=1e-6)


@pytest.mark.parametrize("top", [1, 2, 5])
def test_descriptor_equals_scikit_image_on_few_levels(top, rng):
    """Few levels give exact 0, 45 and 90 degrees in all four quadrants, and no gradient at all."""
    planes = rng.integers(0, top + 1, size=(20, 24, 24)).astype(np.float64)
    np.testing.assert_allclose(hog(planes, 4), skimage_hog(planes, 4), atol=1e-6)


def test_a_single_orientation_fills_a_single_bin():
    """A ramp to the right has gradient 0 degrees everywhere: bin 0 takes all."""
    ramp = np.broadcast_to(np.arange(12.0), (1, 12, 12))
    descriptor = hog(ramp, 4).reshape(9, 9)
    assert (descriptor[:, 0] > 0).all()
    np.testing.assert_array_equal(descriptor[:, 1:], 0)
    np.testing.assert_allclose((descriptor**2).sum(), 1, atol=1e-6)


@pytest.mark.parametrize(("kind", "reference"), [("pearson", pearsonr), ("spearman", spearmanr)])
def test_score_is_the_correlation_of_the_descriptors(kind, reference, rng):
    a, b = rng.normal(size=(2, 4, 28, 28, 1))
    descriptors = [skimage_hog(m[..., 0] / abs(m).max((1, 2, 3))[:, None, None], 4) for m in (a, b)]
    expected = [reference(x, y).statistic for x, y in zip(*descriptors, strict=True)]
    # Ranks are as good as the last bit of near ties, of which clipping at 0.2 leaves many.
    tolerance = 1e-6 if kind == "pearson" else 1e-4
    np.testing.assert_allclose(HOGCorrelation(correlation=kind)(a, b), expected, atol=tolerance)


@pytest.mark.parametrize(
    ("side", "cell"), [(6, 2), (8, 2), (28, 4), (32, 4), (112, 16), (224, 16), (299, 16)]
)
def test_cell_fits_the_map(side, cell, rng):
    a = rng.normal(size=(1, side, side, 1))
    fitted, stated = HOGCorrelation().prepare(a), HOGCorrelation(cell=cell).prepare(a)
    np.testing.assert_array_equal(fitted.unit, stated.unit)


def test_contrast_reversal_is_invisible(rng):
    a, b = rng.normal(size=(2, 3, 28, 28, 1))
    np.testing.assert_allclose(HOGCorrelation()(-a, b), HOGCorrelation()(a, b), atol=1e-12)


def test_maps_smaller_than_a_block_do_not_apply():
    with pytest.raises(NotApplicable, match="cells of 2 pixels needs maps of at least 6x6; got"):
        HOGCorrelation().prepare(np.zeros((1, 5, 9, 1)))
    with pytest.raises(NotApplicable, match="at least 48x48; got 28x28"):
        HOGCorrelation(cell=16).prepare(np.zeros((1, 28, 28, 1)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": 0}, "cell must be at least 1 or None; got 0"),
        ({"correlation": "kendall"}, "correlation must be 'pearson' or 'spearman'; got 'kendall'"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        HOGCorrelation(**settings)
