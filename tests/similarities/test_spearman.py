from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from saliency_bench.similarities import Spearman
from saliency_bench.similarities.correlation import average_ranks


def scipy_scores(a, b):
    return [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]


def quantised(rng, shape):
    return rng.integers(-2, 3, size=shape).astype(np.float32)


def sparse(rng, shape):
    return (rng.normal(size=shape) * (rng.random(shape) < 0.1)).astype(np.float32)


def heavy_tailed(rng, shape):
    return rng.standard_cauchy(size=shape).astype(np.float32)


@pytest.mark.parametrize("draw", [quantised, sparse, heavy_tailed])
@pytest.mark.parametrize("shape", [(40, 28, 28, 1), (2, 224, 224, 1), (5, 7, 9, 1)])
def test_equals_scipy(draw, shape, rng):
    a, b = draw(rng, shape), draw(rng, shape)
    np.testing.assert_allclose(Spearman(absolute=False)(a, b), scipy_scores(a, b), atol=1e-6)
    expected = scipy_scores(np.abs(a), np.abs(b))
    np.testing.assert_allclose(Spearman()(a, b), expected, atol=1e-6)


def test_equals_scipy_over_channels(rng):
    a, b = rng.normal(size=(2, 5, 12, 12, 3))
    expected = scipy_scores(np.abs(a).sum(-1), np.abs(b).sum(-1))
    np.testing.assert_allclose(Spearman()(a, b), expected, atol=1e-6)


def test_disjoint_sparse_maps_do_not_agree():
    """Without average ranks, the shared zeros alone would score .67."""
    a, b = np.zeros((2, 1, 20, 20, 1))
    a[0, :4, 0, 0] = [1, 2, 3, 4]
    b[0, :4, 19, 0] = [4, 3, 2, 1]
    assert -0.1 < Spearman()(a, b)[0] < 0


def test_by_hand():
    """Ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * 4 / (4 * 15) = 0.6."""
    a = np.array([10.0, 20, 30, 40]).reshape(1, 2, 2, 1)
    b = np.array([-5.0, -7, 9, 2]).reshape(1, 2, 2, 1)
    assert Spearman(absolute=False)(a, b)[0] == pytest.approx(0.6)


def test_any_increasing_function_keeps_the_score(rng):
    a, b = rng.normal(size=(2, 3, 9, 9, 1))
    measure = Spearman(absolute=False)
    np.testing.assert_array_equal(measure(np.exp(a), b**3), measure(a, b))


def test_signed_score_of_the_negative_is_minus_one(rng):
    a = rng.normal(size=(3, 9, 9, 1))
    np.testing.assert_allclose(Spearman(absolute=False)(a, -a), -1)


def test_ranks_are_averaged_over_ties():
    row = np.array([[3.0, 1, 3, 0, -0.0]])
    np.testing.assert_array_equal(average_ranks(row), [[4.5, 3, 4.5, 1.5, 1.5]])


def test_ranks_equal_scipy_also_with_a_missing_value(rng):
    rows = rng.integers(0, 30, size=(60, 1000)).astype(np.float64)
    rows[5, 7] = np.nan
    np.testing.assert_array_equal(average_ranks(rows), rankdata(rows, axis=1))


def test_threshold_follows_the_sign():
    assert Spearman().threshold == 0.25
    assert Spearman(absolute=False).threshold == 0.15
