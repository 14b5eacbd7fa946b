import numpy as np
import pytest
from scipy import stats

from saliency_bench.inference import interval, intervals
from saliency_bench.inference.intervals import mean_interval

STUDIES, DRAWS, IMAGES = 2000, 5, 20


def balanced(shape):
    return np.full(shape, 1 / np.prod(shape))


def test_ratio_of_means_is_not_the_mean_of_ratios():
    a = np.array([[[1.0, 3.0], [1.0, 3.0]]])
    b = np.array([[[2.0, 4.0], [2.0, 4.0]]])
    assert interval(a, b, balanced(a.shape)).value == pytest.approx(2 / 3)


def test_equal_cells_have_no_width():
    found = interval(np.full((2, 3, 4), 0.3), np.ones(1), balanced((2, 3, 4)))
    assert found.low == pytest.approx(0.3)
    assert found.high == pytest.approx(0.3)


def test_two_way_anova_by_hand():
    # Rows are draws, columns images: grand mean 4, draw means 2 and 6, image means 3, 4, 5,
    # so what is left is -1, 0, 1 and 1, 0, -1.
    table = np.array([[[0.0, 2.0, 4.0], [6.0, 6.0, 6.0]]])
    ms_draw = 3 * (4 + 4) / 1
    ms_image = 2 * (1 + 0 + 1) / 2
    ms_error = 4 / 2
    total = ms_draw + ms_image - ms_error
    freedom = total**2 / (ms_draw**2 / 1 + ms_image**2 / 2 + ms_error**2 / 2)
    half = stats.t.ppf(0.975, max(freedom, 1)) * (total / 6) ** 0.5
    found = interval(table, np.ones(1), balanced(table.shape))
    assert found.value == pytest.approx(4.0)
    assert found.low == pytest.approx(4.0 - half)
    assert found.high == pytest.approx(4.0 + half)


def test_negative_component_does_not_shrink_the_other():
    # Draw means 0 and 4, image means 2 and 2, what is left is 1 in size: MS 16, 0 and 4. The image
    # component is negative; the width is that of 16, not of 16 + 0 - 4, with one degree of freedom.
    table = np.array([[[1.0, -1.0], [3.0, 5.0]]])
    found = interval(table, np.ones(1), balanced(table.shape))
    assert found.high - 2.0 == pytest.approx(stats.t.ppf(0.975, 1) * (16 / 4) ** 0.5)


def test_stages_are_averaged_first():
    values = np.random.default_rng(0).normal(size=(4, 3, 6))
    first = values.mean(axis=0, keepdims=True)
    np.testing.assert_allclose(
        interval(values, np.ones(1), balanced(values.shape)),
        interval(first, np.ones(1), balanced(first.shape)),
    )


def test_scaling_the_denominator_scales_the_interval():
    values = np.random.default_rng(1).normal(size=(2, 4, 6))
    weights = balanced(values.shape)
    once, twice = (interval(values, np.array([k]), weights) for k in (1.0, 2.0))
    np.testing.assert_allclose(np.array(once), 2 * np.array(twice))


def test_leading_axes_are_studies():
    rng = np.random.default_rng(2)
    a, b = rng.normal(1, 1, (3, 2, 4, 5)), rng.normal(4, 1, (3, 2, 4, 5))
    weights = balanced(a.shape[1:])
    together = interval(a, b, weights)
    for study in range(3):
        alone = interval(a[study], b[study], weights)
        np.testing.assert_allclose([column[study] for column in together], alone)


@pytest.mark.parametrize("shape", [(1, 1, 5), (1, 5, 1)])
def test_one_draw_or_one_image_has_no_interval(shape):
    found = interval(np.ones(shape), np.ones(1), balanced(shape))
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_no_ratio_where_nothing_can_be_lost():
    assert np.isnan(interval(np.zeros((1, 3, 4)), np.zeros(1), balanced((1, 3, 4))).value)


def test_mean_interval_is_students():
    values = np.array([1.0, 2.0, 4.0])
    found = mean_interval(values)
    reference = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(found[1:], reference)
    assert np.isnan(mean_interval(values[:1]).low)


def crossed(rng, mean, draws=DRAWS):
    """Studies `[S, 1, D, I]` with heavy draw and image effects."""
    return (
        mean
        + rng.normal(0, 0.10, (STUDIES, 1, draws, 1))
        + rng.normal(0, 0.30, (STUDIES, 1, 1, IMAGES))
        + rng.normal(0, 0.15, (STUDIES, 1, draws, IMAGES))
    )


def coverage(found, truth):
    return np.mean((found.low <= truth) & (truth <= found.high))


@pytest.mark.parametrize("draws", [3, DRAWS])
def test_mean_is_covered(draws):
    values = crossed(np.random.default_rng(3), 0.2, draws)
    found = interval(values, np.ones(1), balanced((1, draws, IMAGES)))
    assert coverage(found, 0.2) >= 0.90


def test_ratio_with_a_random_denominator_is_covered():
    rng = np.random.default_rng(4)
    found = interval(crossed(rng, 0.2), crossed(rng, 0.8), balanced((1, DRAWS, IMAGES)))
    assert coverage(found, 0.25) >= 0.90


def test_rows_as_independent_would_not_cover():
    # About .60 where .95 is promised: the reason for the two-way interval.
    rows = crossed(np.random.default_rng(3), 0.2).reshape(STUDIES, -1)
    half = 1.96 * rows.std(axis=-1, ddof=1) / rows.shape[-1] ** 0.5
    assert np.mean(np.abs(rows.mean(axis=-1) - 0.2) <= half) < 0.75


def test_components_give_back_the_interval_they_were_taken_from():
    random = np.random.default_rng(5)
    draw, image = random.normal(0, 0.3, (6, 1)), random.normal(0, 0.2, (1, 40))
    cells = draw + image + random.normal(0, 0.1, (6, 40))
    found = intervals.interval(cells[None], np.ones(1), np.full((1, 6, 40), 1 / 240))
    its = intervals.components(cells)
    assert its.half_width(6, 40) == pytest.approx(float(found.high - found.value))
    assert its.half_width(12, 40) < its.half_width(6, 40)


def test_components_by_hand():
    only_draws = np.array([[1.0, 1.0], [3.0, 3.0]])
    assert intervals.components(only_draws) == (2.0, 0.0, 0.0)  # the variance of 1 and 3 is 2
    assert intervals.components(only_draws.T) == (0.0, 2.0, 0.0)
    checkered = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert intervals.components(checkered) == (0.0, 0.0, 4.0)


def test_residuals_have_the_variance_of_the_ratio():
    random = np.random.default_rng(6)
    score, ceiling = random.normal([[[[0.4]]], [[[0.9]]]], 0.1, (2, 3, 5, 20))
    weights = np.full(score.shape, 1 / score.size)
    found = intervals.interval(score, ceiling, weights)
    its = intervals.components(intervals.linearised(score, ceiling, weights)[1])
    if min(its) > 0:
        assert its.half_width(5, 20) == pytest.approx(float(found.high - found.value))
    assert intervals.linearised(score, ceiling, weights)[1].mean() == pytest.approx(0, abs=1e-12)
