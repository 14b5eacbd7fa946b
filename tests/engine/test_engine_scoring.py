from dataclasses import dataclass

import numpy as np
import pytest

from saliency_bench.engine import scoring
from saliency_bench.engine.scoring import Scorer, block_starts, partners
from saliency_bench.protocols import STATUSES, NotApplicable
from saliency_bench.similarities import SSIM, HOGCorrelation, Spearman


@dataclass
class Values:
    values: np.ndarray

    @property
    def defined(self):
        return self.values != 0

    def take(self, index):
        return Values(self.values[index])


@dataclass(frozen=True)
class Product:
    """The product of the two maps' first pixels: scores and nulls can be done by hand."""

    threshold = None

    def prepare(self, maps):
        return Values(maps[:, 0, 0, 0].astype(np.float64))

    def compare(self, reference, changed):
        product = reference.values * changed.values
        return np.where(reference.defined & changed.defined, product, np.nan)


def maps_of(values):
    return np.asarray(values, np.float32)[:, None, None, None]


def columns(measures, changed, *references, before=None):
    """The columns of maps, compared with those of `references`."""
    scorer = Scorer(measures)
    ready = [scorer.prepare(maps) for maps in references]
    held = None if before is None else scorer.prepare(before)
    return scorer.columns(scorer.prepare(changed), ready, held)


def column(reference, changed, **settings):
    return columns({"p": Product()}, maps_of(changed), maps_of(reference), **settings)["p"]


@pytest.mark.parametrize(
    ("count", "starts"),
    [
        (1, [0]), (5, [0]), (32, [0]), (33, [0]), (36, [0]), (37, [0, 32]), (64, [0, 32]),
        (68, [0, 32]), (69, [0, 32, 64]), (1100, list(range(0, 1089, 32))),
    ],
)  # fmt: skip
def test_a_rest_of_fewer_than_five_images_joins_the_last_block(count, starts):
    assert block_starts(count) == starts


@pytest.mark.parametrize("count", [1, 2, 5, 31, 32, 33, 36, 37, 64, 1100])
def test_partners_are_the_next_four_cyclic_in_the_block(count):
    rows = partners(count)
    assert len(rows) == min(4, count - 1)
    starts = block_starts(count)
    for start, stop in zip(starts, [*starts[1:], count], strict=True):
        block = list(range(start, stop))
        for shift, row in enumerate(rows, 1):
            assert row[start:stop].tolist() == block[shift:] + block[:shift]


def test_null_is_the_mean_over_the_partners_by_hand():
    scored = column([1, 2, 3, 4, 5, 6], [1, 10, 100, 1000, 10000, 100000])
    assert scored["score"].tolist() == [1, 20, 300, 4000, 50000, 600000]
    sums = [11110, 111100, 111001, 110011, 100111, 1111]
    np.testing.assert_allclose(scored["null"], [(i + 1) * s / 4 for i, s in enumerate(sums)])


def test_null_leaves_out_partners_without_a_score():
    scored = column([1, 1, 1, 1, 1], [1, 0, 3, 5, 0])
    np.testing.assert_allclose(scored["null"], [4, 3, 3, 2, 3])
    alone = column([1, 1], [1, 0])
    assert np.isnan(alone["null"][0])
    assert alone["null"][1] == 1


def test_a_single_image_has_no_null():
    assert np.isnan(column([2], [3])["null"][0])
    assert column([2], [3])["score"][0] == 6


def test_floor_compares_the_maps_of_consecutive_draws():
    first = column([7, 7], [2, 3])
    second = column([7, 7], [5, 11], before=maps_of([2, 3]))
    third = column([7, 7], [13, 0], before=maps_of([5, 11]))
    assert np.isnan(first["floor"]).all()
    assert second["floor"].tolist() == [10, 33]
    assert third["floor"][0] == 65
    assert np.isnan(third["floor"][1])


def status(scored):
    return [STATUSES[code] for code in scored["status"]]


def test_statuses_by_hand():
    nan = np.nan
    scored = column([1, 0, 1, nan, 1, 0, 0], [1, 1, 0, 1, nan, 0, nan])
    assert status(scored) == [
        "ok", "constant_reference", "died", "nan", "nan", "constant_reference", "nan",
    ]  # fmt: skip
    assert np.isfinite(scored["score"]).tolist() == [True] + [False] * 6


@pytest.mark.parametrize(
    "measure",
    [Spearman(), Spearman(absolute=False), SSIM(), HOGCorrelation()],
    ids=["spearman_abs", "spearman_signed", "ssim", "hog"],
)
def test_statuses_of_every_similarity(measure):
    random = np.random.default_rng(0)
    reference, changed = random.standard_normal((2, 6, 64, 64, 1)).astype(np.float32)
    reference[1], changed[2] = 3.0, 0.0
    reference[3, 5, 5], changed[4, 5, 5] = np.nan, np.inf
    reference[5] = changed[5] = 1.0
    scored = columns({"m": measure}, changed, reference)["m"]
    assert status(scored) == [
        "ok",
        "constant_reference",
        "died",
        "nan",
        "nan",
        "constant_reference",
    ]
    assert np.isfinite(scored["score"]).tolist() == [True] + [False] * 5
    assert np.isfinite(scored["null"]).tolist() == [True, False, True, False, True, False]


def test_a_measure_that_refuses_leaves_its_reason_and_the_others_their_scores():
    small = np.random.default_rng(0).standard_normal((6, 5, 5, 1)).astype(np.float32)
    found = columns({"ssim": SSIM(), "rank": Spearman()}, small, small)
    assert "at least 7x7" in str(found["ssim"])
    np.testing.assert_allclose(found["rank"]["score"], 1)


class Picky(Product):
    def prepare(self, maps):
        if (maps < 0).any():
            raise NotApplicable("it takes no negative maps")
        return super().prepare(maps)


def test_a_measure_may_refuse_changed_maps_only():
    picky, reference, refused = {"p": Picky()}, maps_of([1, 1]), maps_of([-1, 1])
    assert str(columns(picky, refused, reference)["p"]) == "it takes no negative maps"
    after = columns(picky, maps_of([1, 2]), reference, before=refused)["p"]
    assert after["score"].tolist() == [1, 2]
    assert np.isnan(after["floor"]).all()


def test_scores_of_identical_maps_are_the_ceiling_and_need_no_scaling():
    maps = np.random.default_rng(0).standard_normal((6, 8, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(columns({"m": Spearman()}, 3 * maps, maps)["m"]["score"], 1)


def test_status_codes_fit_their_field():
    assert len(STATUSES) <= np.iinfo(scoring.PAIR["status"]).max


def test_with_several_references_scores_are_means_and_the_mildest_status_counts():
    references = maps_of([2, 0, 0, 5, 1]), maps_of([4, 6, 0, 0, np.nan])
    changed = maps_of([3, 3, 3, 0, 1])
    found = columns({"p": Product()}, changed, *references)["p"]
    # Means of 2*3 and 4*3; what is known of nothing and 6*3; nothing; nothing; 1*1 and nothing.
    np.testing.assert_array_equal(found["score"], [9, 18, np.nan, np.nan, 1])
    assert [STATUSES[code] for code in found["status"]] == [
        "ok", "ok", "constant_reference", "constant_reference", "ok",
    ]  # fmt: skip
    one, other = (columns({"p": Product()}, changed, r)["p"] for r in references)
    both = np.nanmean([one["null"][:2], other["null"][:2]], axis=0)
    np.testing.assert_allclose(found["null"][:2], both)


class Counted(Product):
    """Notes which maps it prepares."""

    def __init__(self):
        self.seen = []

    def prepare(self, maps):
        self.seen.append(maps)
        return super().prepare(maps)


def test_what_is_prepared_of_the_same_maps_serves_again():
    measure = Counted()
    scorer = Scorer({"p": measure})
    first = scorer.prepare(maps_of([1, 2]))
    again = scorer.prepare(maps_of([1, 2]), earlier=[scorer.prepare(maps_of([3, 4])), first])
    assert again.prepared["p"] is first.prepared["p"]
    assert len(measure.seen) == 2


@pytest.mark.parametrize(
    "other",
    [
        (maps_of([0.0, np.nextafter(np.float32(2), 3)]), None),
        (maps_of([-0.0, 2]), None),
        (maps_of([0, 2]).reshape(1, 2, 1, 1), None),
        (maps_of([0, 2]), np.ones((2, 1, 1), np.bool_)),
    ],
    ids=["one bit", "sign of zero", "shape", "regions"],
)
def test_other_maps_or_regions_are_prepared_anew(other):
    measure = Counted()
    scorer = Scorer({"p": measure})
    first = scorer.prepare(maps_of([0, 2]))
    scorer.prepare(*other, earlier=[first])
    assert measure.seen[1] is other[0]


def test_maps_that_served_other_columns_are_prepared_for_the_rest():
    scorer = Scorer({"p": Counted(), "q": Counted()})
    first = scorer.prepare(maps_of([1, 2]), columns=["p"])
    assert list(scorer.prepare(maps_of([1, 2]), earlier=[first]).prepared) == ["p", "q"]
    assert list(scorer.prepare(maps_of([1, 2]), columns=["q"], earlier=[first]).prepared) == ["q"]
