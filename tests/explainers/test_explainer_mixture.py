"""The dose-response control: how much of its map survives is known."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from saliency_bench.engine.scoring import PAIR, Scorer
from saliency_bench.explainers import CONTROLS, Mixture
from saliency_bench.inference.evidence import Pairs, count
from saliency_bench.similarities import Spearman

SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]
SIDE = 32


class Weights:
    """As much of a model as is hashed."""

    class Variable:
        def __init__(self, value):
            self.value = value

        def numpy(self):
            return self.value

    def __init__(self, *values):
        self.variables = [self.Variable(np.float32([value])) for value in values]


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((20, SIDE, SIDE, 3)).astype(np.float32)


def mixed(share, weights, pictures, **settings):
    return Mixture(share).bind(Weights(weights))(pictures, np.zeros(len(pictures), int), **settings)


@pytest.mark.parametrize("share", SHARES)
def test_two_maps_agree_at_exactly_the_share_of_the_pixels(pictures, share):
    one, other = (mixed(share, weights, pictures) for weights in (1, 2))
    assert one.shape == (20, SIDE, SIDE, 1)
    agree = (one == other).reshape(20, -1).mean(axis=1)
    # Of the others, ranks of 1024 pixels agree by chance once in 1024.
    np.testing.assert_allclose(agree, share, atol=0.005)


@pytest.mark.parametrize("magnitude", [False, True])
@pytest.mark.parametrize("share", SHARES)
def test_their_rank_correlation_is_the_share(pictures, share, magnitude):
    rows = [mixed(share, weights, pictures).reshape(20, -1) for weights in (1, 2)]
    one, other = (np.abs(maps) if magnitude else maps for maps in rows)
    found = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    # Each has a standard deviation of at most 1 / 32.
    assert np.mean(found) == pytest.approx(share, abs=3 / 32 / 20**0.5)


def test_the_expected_covariance_is_the_share_of_the_variance():
    """By hand, of ranks -2..2: over all choices of two pixels in five, 2 / 5 of the squares."""
    squares = [4, 1, 0, 1, 4]
    kept = [squares[i] + squares[j] for i in range(5) for j in range(i)]
    assert np.mean(kept) / sum(squares) == 2 / 5


def retained(share, seed, images, absolute):
    """The interval of 2 stages of 3 draws, as a run takes it."""
    explainer, targets = Mixture(share, seed), np.zeros(len(images), int)
    scorer = Scorer({"rank": Spearman(absolute)})
    reference = scorer.prepare(explainer.bind(Weights(0))(images, targets))
    pairs = np.empty((2, 3, len(images)), PAIR)
    for place in np.ndindex(2, 3):
        maps = explainer.bind(Weights(1, *place))(images, targets)
        pairs[place] = scorer.columns(scorer.prepare(maps), [reference])["rank"]
    kinds = np.zeros(pairs.shape, np.int8)
    ceiling = np.ones(pairs.shape)
    return count(Pairs(np.array([1, 2]), pairs["score"], pairs["null"], ceiling, kinds)).retained


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75])
def test_intervals_of_many_runs_cover_the_share(pictures, share, absolute):
    """19 in 20 are to; of 100, 90 are more than two standard deviations below that."""
    images = pictures[:10, :8, :8]
    found = [retained(share, seed, images, absolute) for seed in range(100)]
    assert np.mean([of.low <= share <= of.high for of in found]) >= 0.9
    assert np.mean([of.value for of in found]) == pytest.approx(share, abs=0.01)


def test_it_is_no_control_of_every_run():
    assert Mixture not in CONTROLS.values()


def test_only_the_rest_depends_on_the_seed_of_the_explainer(pictures):
    keys = np.arange(20)
    one, other = (mixed(0.5, 1, pictures, keys=k) for k in (keys, keys + 100))
    assert (one == other).mean() == pytest.approx(0.5, abs=0.005)
    np.testing.assert_array_equal(one, mixed(0.5, 1, pictures, keys=keys))


def test_the_frozen_pixels_are_the_images_own(pictures):
    whole = mixed(1.0, 1, pictures)
    np.testing.assert_array_equal(mixed(1.0, 1, pictures[::-1])[::-1], whole)
    assert (whole[0] != whole[1]).mean() > 0.99


def test_its_values_are_ranks_about_zero(pictures):
    values = np.sort(mixed(1.0, 1, pictures).reshape(20, -1), axis=1)
    np.testing.assert_array_equal(values, np.tile(np.arange(SIDE**2) - (SIDE**2 - 1) / 2, (20, 1)))


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_lies_between_0_and_1(share):
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\]; got"):
        Mixture(share)
