"""Hand arithmetic, identities and scikit-learn's ROC curve."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from saliency_bench import metrics
from saliency_bench.explainers.controls import CentrePrior, OwnRegion
from saliency_bench.metrics.regions import REGION_SHARE
from saliency_bench.protocols import MetricFacts, NotApplicable
from saliency_bench.protocols.metrics import CHANCE, VALUE

ALL = [
    metrics.RelevanceMass(),
    metrics.RelevanceRank(),
    metrics.PointingGame(),
    metrics.LocalizationAUC(),
]
SIZES = [(28, 28, 1), (224, 224, 3)]


def values(metric, maps, regions, keys=None):
    maps = np.asarray(maps, np.float32)
    maps = maps[..., None] if maps.ndim == 3 else maps
    regions = np.asarray(regions, bool)
    images = np.zeros((*regions.shape, 1), np.float32)
    keys = np.arange(len(maps)) if keys is None else np.asarray(keys)
    targets = np.zeros(len(maps), np.int64)
    return metric.bind(None)(maps, images, targets, regions=regions, keys=keys)


def rectangles(rng, count, height, width):
    regions = np.zeros((count, height, width), bool)
    for region in regions:
        top, left = rng.integers(height - 1), rng.integers(width - 1)
        region[top : top + height // 2, left : left + width // 2] = True
    return regions


MAP = [[4.0, -9.0, 1.0], [2.0, 0.0, 3.0]]
MASK = [[1, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (metrics.RelevanceMass(), 7 / 10),  # 4 + 3 of 4 + 1 + 2 + 3
        (metrics.RelevanceMass(absolute=True), 16 / 19),  # 4 + 9 + 3 of 19
        (metrics.RelevanceRank(), 2 / 3),  # 4, 3 and 2, of which 2 lies outside
        (metrics.RelevanceRank(absolute=True), 1.0),  # 9, 4 and 3
        (metrics.PointingGame(), 1.0),
        # Of 9 pairs, 4 and 3 are above 1, 2 and 0, and -9 is above none.
        (metrics.LocalizationAUC(), 6 / 9),
        (metrics.LocalizationAUC(absolute=True), 1.0),
    ],
    ids=repr,
)
def test_a_map_of_six_pixels(metric, expected):
    assert values(metric, [MAP], [MASK]) == pytest.approx([expected], abs=1e-15)


def test_the_highest_pixel_misses_a_mask_that_is_further_away_than_the_tolerance():
    plane, mask = np.zeros((1, 9, 9)), np.zeros((1, 9, 9))
    plane[0, 0, 0], mask[0, 3, 4] = 1, 1  # a distance of 5 pixels
    hits = [values(metrics.PointingGame(tolerance=t), plane, mask)[0] for t in (0, 4.99, 5)]
    assert hits == [0, 0, 1]


def test_a_mask_that_the_tolerance_makes_unmissable_is_undefined():
    plane, mask = np.eye(5)[None], np.zeros((1, 5, 5))
    mask[0, 2, 2] = 1  # the corners are 2.83 pixels away
    assert values(metrics.PointingGame(tolerance=2.8), plane, mask) == [1]
    assert np.isnan(values(metrics.PointingGame(tolerance=2.9), plane, mask)).all()


@pytest.mark.parametrize("bad", [-1, np.nan])
def test_a_tolerance_must_be_a_distance(bad):
    with pytest.raises(ValueError, match="tolerance must be at least 0 pixels, got"):
        metrics.PointingGame(tolerance=bad)


@pytest.mark.parametrize("metric", ALL, ids=repr)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_mask_itself_scores_one(rng, metric, size):
    regions = rectangles(rng, 5, *size[:2])
    maps = OwnRegion().of_regions(np.zeros((5, *size), np.float32), regions)
    assert values(metric, maps, regions).tolist() == [1] * 5


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_constant_map_scores_the_share_of_the_mask(rng, size):
    regions = rectangles(rng, 4, *size[:2])
    maps = np.full((4, *size), 0.1, np.float32)
    share = regions.mean(axis=(1, 2))
    np.testing.assert_allclose(values(metrics.RelevanceMass(), maps, regions), share, rtol=1e-12)
    assert values(metrics.LocalizationAUC(), maps, regions).tolist() == [0.5] * 4


@pytest.mark.parametrize("metric", [metrics.RelevanceRank(), metrics.PointingGame()], ids=repr)
def test_ties_are_broken_at_random_so_that_a_constant_map_scores_the_share_on_average(metric):
    # A rule such as "the first of the highest" would hit this mask every time, or never.
    regions = np.zeros((2000, 4, 5), bool)
    regions[:, :2, :3] = True
    found = values(metric, np.ones((2000, 4, 5)), regions)
    spread = np.sqrt(0.3 * 0.7 / 2000)  # of hits; that of ranks is smaller
    assert abs(found.mean() - 0.3) < 4 * spread


def test_ties_depend_on_the_key_of_the_image_alone(rng):
    maps, regions = np.ones((40, 6, 6)), rectangles(rng, 40, 6, 6)
    keys = rng.integers(2**40, size=40)
    for metric in (metrics.RelevanceRank(), metrics.PointingGame()):
        found = values(metric, maps, regions, keys)
        assert np.array_equal(found, values(metric, maps, regions, keys))
        assert not np.array_equal(found, values(metric, maps, regions, keys + 1))


def test_without_keys_the_images_themselves_decide(rng):
    images = rng.normal(size=(30, 6, 6, 1)).astype(np.float32)
    maps, regions = np.ones((30, 6, 6, 1), np.float32), rectangles(rng, 30, 6, 6)
    bound, targets = metrics.PointingGame().bind(None), np.zeros(30, np.int64)
    found = bound(maps, images, targets, regions=regions)
    turned = bound(maps, images[::-1], targets, regions=regions[::-1])
    assert np.array_equal(found, turned[::-1])


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_an_empty_mask_and_one_of_the_whole_picture_are_undefined_never_hits(rng, metric):
    regions = np.stack([np.zeros((4, 4)), np.ones((4, 4)), np.eye(4)])
    found = values(metric, np.stack([np.eye(4)] * 3), regions)
    assert np.isnan(found[:2]).all()
    assert found[2] == 1


@pytest.mark.parametrize("metric", ALL, ids=repr)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_undefined(metric, bad):
    plane = np.eye(4)
    plane[3, 0] = bad
    assert np.isnan(values(metric, [plane], [np.eye(4)])).all()


def test_a_map_without_positive_relevance_has_no_share():
    plane = np.stack([np.zeros((3, 3)), -np.eye(3)])
    found = values(metrics.RelevanceMass(), plane, [np.eye(3)] * 2)
    assert np.isnan(found).all()
    assert values(metrics.RelevanceMass(absolute=True), plane[1:], [np.eye(3)]) == [1]


def test_the_auc_is_that_of_scikit_learn(rng):
    maps = rng.integers(-3, 4, size=(20, 9, 11)).astype(float)  # with many ties
    regions = rectangles(rng, 20, 9, 11)
    expected = [roc_auc_score(r.ravel(), m.ravel()) for r, m in zip(regions, maps, strict=True)]
    np.testing.assert_allclose(
        values(metrics.LocalizationAUC(), maps, regions), expected, rtol=1e-12
    )


def test_turning_a_map_around_turns_the_auc_around(rng):
    maps, regions = rng.normal(size=(6, 8, 8)), rectangles(rng, 6, 8, 8)
    both = [values(metrics.LocalizationAUC(), sign * maps, regions) for sign in (1, -1)]
    np.testing.assert_allclose(sum(both), 1, rtol=1e-12)


@pytest.mark.parametrize("metric", ALL, ids=repr)
@pytest.mark.parametrize("factor", [2.0**-70, 2.0**80])
def test_the_scale_of_a_map_does_not_count(rng, metric, factor):
    maps, regions = rng.normal(size=(5, 7, 9)).astype(np.float32), rectangles(rng, 5, 7, 9)
    assert np.array_equal(values(metric, maps, regions), values(metric, factor * maps, regions))


@pytest.mark.parametrize("metric", ALL, ids=repr)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_value_depends_on_its_own_row_alone(rng, metric, size):
    maps = rng.normal(size=(5, *size)).astype(np.float32)
    maps[2] = 1.0
    regions, keys = rectangles(rng, 5, *size[:2]), rng.integers(2**40, size=5)
    whole, order = values(metric, maps, regions, keys), [3, 0, 4, 2, 1]
    shuffled = values(metric, maps[order], regions[order], keys[order])
    assert np.array_equal(shuffled, whole[order])
    for row in range(5):
        at = slice(row, row + 1)
        assert np.array_equal(values(metric, maps[at], regions[at], keys[at]), whole[at])


def test_a_coarse_map_is_enlarged_to_its_image():
    coarse = np.array([[1.0, 0.0]])[None]
    mask = np.zeros((1, 1, 4))
    mask[..., :2] = 1
    # At four pixels the map is 1, .75, .25, 0.
    assert values(metrics.RelevanceMass(), coarse, mask) == [1.75 / 2]
    assert values(metrics.RelevanceRank(), coarse, mask) == [1]


def test_a_centre_prior_hits_a_mask_in_the_centre():
    images = np.zeros((1, 21, 21, 1), np.float32)
    mask = np.zeros((1, 21, 21))
    mask[0, 5:16, 5:16] = 1
    maps = CentrePrior()(None, images, np.array([0]))
    assert values(metrics.PointingGame(), maps, mask) == [1]
    assert values(metrics.RelevanceMass(), maps, mask) > mask.mean()


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_the_share_of_the_picture_stands_beside_the_value(metric):
    found = metric.bind(None).measure(
        np.ones((1, 2, 3, 1), np.float32), np.zeros((1, 2, 3, 1), np.float32), np.array([0]),
        regions=np.array([MASK], bool),
    )  # fmt: skip
    assert found[REGION_SHARE] == [0.5]
    assert found[VALUE].shape == (1,)


@pytest.mark.parametrize("metric", [*ALL, metrics.GridPointing(), metrics.Focus()], ids=repr)
def test_without_masks_it_does_not_apply(metric):
    with pytest.raises(NotApplicable, match="needs masks of the images, and there are none"):
        metric.bind(None)(np.ones((1, 2, 2, 1)), np.ones((1, 2, 2, 1)), np.array([0]))


@pytest.mark.parametrize("shape", [(2, 4, 4), (1, 4, 5), (1, 2, 2)])
def test_masks_of_another_count_or_size_are_refused(shape):
    with pytest.raises(ValueError, match=r"regions must be \(1, 4, 4\), a mask per image; got"):
        metrics.RelevanceMass().bind(None)(
            np.ones((1, 4, 4, 1)), np.ones((1, 4, 4, 1)), np.array([0]),
            regions=np.ones(shape, bool),
        )  # fmt: skip


def test_noise_is_no_better_than_the_share_and_a_blob_in_the_mask_is(rng):
    regions = rectangles(rng, 200, 16, 16)
    noise = rng.uniform(size=(200, 16, 16))
    share = regions.mean(axis=(1, 2))
    for metric in (metrics.RelevanceMass(), metrics.RelevanceRank(), metrics.PointingGame()):
        gain = values(metric, noise, regions) - share
        assert abs(gain.mean()) < 4 * gain.std() / np.sqrt(200)
        better = values(metric, noise + 0.5 * regions, regions) - share
        assert better.mean() > 0.1


@pytest.mark.parametrize("metric", [*ALL, metrics.PointingGame(tolerance=1.5)], ids=repr)
def test_chance_is_the_mean_over_all_shifts_of_the_map(rng, metric):
    """So it is what moved maps score, without the luck of a single move."""
    plane, mask = rng.normal(size=(5, 6)), np.zeros((5, 6), bool)
    mask[1:3, 2:4] = mask[4, 5] = True
    shifts = [np.roll(plane, (down, right), (0, 1)) for down in range(5) for right in range(6)]
    found = metric.bind(None).measure(
        np.array(shifts, np.float32)[..., None], np.zeros((30, 5, 6, 1)), np.zeros(30, np.int64),
        regions=np.array([mask] * 30),
    )  # fmt: skip
    np.testing.assert_allclose(found[CHANCE], found[VALUE].mean(), rtol=1e-6)


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_an_undefined_value_has_no_chance(metric):
    masks = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.eye(3)]) > 0
    maps = np.ones((3, 3, 3, 1), np.float32)
    found = metric.bind(None).measure(maps, maps, np.zeros(3, np.int64), regions=masks)
    assert np.isnan(found[CHANCE]).tolist() == [True, True, False]


def test_only_the_pointing_game_says_that_its_values_are_hits():
    kinds = metrics.RelevanceMass, metrics.RelevanceRank, metrics.LocalizationAUC
    assert MetricFacts.of(metrics.PointingGame()).hits
    assert not any(MetricFacts.of(kind()).hits for kind in kinds)
    # The map and its inverse may both hit, so that their difference is no hit.
    assert not MetricFacts.of(metrics.VersusInverse(metrics.PointingGame())).hits
