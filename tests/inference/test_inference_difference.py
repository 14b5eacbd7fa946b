"""The difference of what two runs retain, against references and by simulation."""

import numpy as np
import pytest
from scipy import stats

from saliency_bench.inference import difference, interval
from saliency_bench.inference.pairs import Pairs, count
from saliency_bench.protocols import CONSTANT, OK

L, D, I = 2, 5, 12  # noqa: E741


def counted(score, *, draws=D, null=0.0, kind=OK, measured_at=None):
    """What counts of scores and kinds that broadcast against `[L, D, I]`."""
    shape = (L, draws, I)
    score, null, ceiling = (np.broadcast_to(v, shape) for v in (score, null, 1.0))
    pairs = Pairs(np.arange(1, L + 1), score, null, ceiling, np.broadcast_to(kind, shape))
    return count(pairs, measured_at=measured_at)


def random(seed, draws=D, images=I):
    """Scores with effects of draws and images."""
    rng = np.random.default_rng(seed)
    effects = rng.normal(0, 0.1, (draws, 1)) + rng.normal(0, 0.1, images)
    return 0.3 + effects + rng.normal(0, 0.05, (L, draws, images))


def test_paired_it_is_the_interval_of_the_differences():
    one, other = random(0), random(1)
    found = difference(counted(one), counted(other), "retained", paired=True).interval()
    # Without a null and with a ceiling of 1 the share retained is the score.
    weights = np.full((L, D, I), 1 / (L * D * I))
    reference = interval(one - other, np.ones(1), weights)
    assert np.allclose(found, reference)


def test_what_both_share_cancels_and_only_if_they_are_paired():
    one, more = counted(random(0)), counted(random(0) + 0.2)
    paired = difference(more, one, "retained", paired=True).interval()
    assert tuple(paired) == pytest.approx((0.2, 0.2, 0.2))
    apart = difference(more, one, "retained", paired=False).interval()
    assert apart.value == pytest.approx(0.2)
    assert apart.high - apart.low > 0.1


def test_unpaired_it_is_welchs_where_only_draws_vary():
    rng = np.random.default_rng(2)
    one, other = rng.normal(0.3, 0.1, D), rng.normal(0.2, 0.03, 3)
    found = difference(
        counted(one[:, None]), counted(other[:, None], draws=3), "retained", paired=False
    ).interval()
    reference = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(reference))


def test_a_null_and_a_ceiling_scale_it():
    # (0.6 - 0.2) / 0.8 - (0.4 - 0.2) / 0.8 = 1/4.
    one, other = counted(0.6, null=0.2), counted(0.4, null=0.2)
    for paired in (True, False):
        found = difference(one, other, "retained", paired=paired).interval()
        assert tuple(found) == pytest.approx((0.25, 0.25, 0.25))
    assert difference(one, other, "similarity", paired=True).value == pytest.approx(0.2)


def test_images_that_count_on_one_side_only_stay_in_their_places():
    score = random(3)
    blank = np.where(np.arange(I) == 4, CONSTANT, OK)
    whole, lacking = counted(score), counted(score, kind=blank)
    found = difference(lacking, whole, "retained", paired=True)
    assert found.value == pytest.approx(np.delete(score, 4, axis=2).mean() - score.mean())
    # All others cancel but for the shift of the mean; misplaced, they would not.
    apart = difference(lacking, whole, "retained", paired=False)
    assert found.error < 0.35 * apart.error


def test_the_more_decisions_the_wider_as_bonferroni_has_it():
    found = difference(counted(random(0)), counted(random(1)), "retained", paired=True)
    for decisions, freedom in ((1, found.freedom), (20, D - 1)):
        wide = found.interval(decisions)
        half = stats.t.ppf(1 - 0.025 / decisions, freedom) * found.error
        assert float(wide.high - wide.value) == pytest.approx(float(half))


def test_where_one_side_has_no_interval_there_is_no_difference():
    few, whole = (
        counted(random(0, draws=2), draws=2, measured_at=1),
        counted(random(1), measured_at=1),
    )
    found = difference(few, whole, "retained", paired=False)
    assert np.isnan([found.value, found.interval().low]).all()


def test_what_does_not_count_is_no_evidence():
    """Three of five draws alive are as good as three draws, paired or not."""
    score = random(0)
    three = counted(score[:, :3], draws=3)
    alive = counted(score, kind=np.where(np.arange(D) < 3, OK, CONSTANT)[:, None])
    other = random(1)
    few = counted(other[:, :3], draws=3)
    rest = counted(other, kind=np.where(np.arange(D) < 3, OK, CONSTANT)[:, None])
    for paired in (True, False):
        wanted = difference(three, few, "retained", paired=paired)
        assert np.allclose(difference(alive, rest, "retained", paired=paired), wanted)


@pytest.mark.parametrize("paired", [True, False])
def test_of_many_all_cover_what_they_should(paired):
    rng = np.random.default_rng(5)
    repeats, rows, draws = 300, 14, 3
    missed = 0
    for _ in range(repeats):
        effects = rng.normal(0, 0.1, (2, rows, draws, 1)) + rng.normal(0, 0.1, (2, rows, 1, I))
        score = effects + rng.normal(0, 0.05, (2, rows, draws, I))
        found = [
            difference(
                counted(one, draws=draws), counted(two, draws=draws), "retained", paired=paired
            ).interval(rows)
            for one, two in zip(*score, strict=True)
        ]
        missed += any(not interval.low <= 0 <= interval.high for interval in found)
    # 5 % nominally; a freedom estimated by Satterthwaite would miss in .14 at 3 paired draws.
    assert missed / repeats <= 0.09


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("draws", [3, 5])
def test_it_covers_what_it_should(draws, paired):
    """Pairs share effects of draws and images; both have some of their own."""
    rng = np.random.default_rng(4)
    repeats, covered = 600, 0
    for _ in range(repeats):
        draw, image = rng.normal(0, 0.1, (2, draws, 1)), rng.normal(0, 0.1, (2, 1, I))
        if paired:
            draw[1], image[1] = 0.7 * draw[0] + 0.7 * draw[1], 0.7 * image[0] + 0.7 * image[1]
        noise = rng.normal(0, 0.05, (2, draws, I))
        sides = [counted(scores, draws=draws) for scores in draw + image + noise]
        found = difference(*sides, "retained", paired=paired).interval()
        covered += bool(found.low <= 0 <= found.high)
    # Satterthwaite's freedom from 3 draws: .93 measured for one mean (see architecture).
    assert 0.91 <= covered / repeats <= 0.99
