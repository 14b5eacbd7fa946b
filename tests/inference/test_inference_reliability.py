"""Reliability: agreement of images on the explainers' order and of draws on their numbers."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.evidence import (
    ABSOLUTE,
    CHECK,
    DRAWS,
    EXPECTED,
    IMAGES,
    SIGNED,
    TWINS,
    evidence,
    scored,
)
from scipy import stats

from saliency_bench.inference import judge, reliability, summarize
from saliency_bench.inference.reliability import RELIABILITY, intraclass, krippendorff
from saliency_bench.protocols import Number

RNG = np.random.default_rng


def ratings(seed, raters=6, units=5, values=4, missing=0.2):
    rng = RNG(seed)
    table = rng.integers(0, values, (raters, units)).astype(float)
    table[rng.random(table.shape) < missing] = np.nan
    return table


def by_coincidences(table):
    """Alpha by its definition: coincidences of values, and how many ratings lie between them."""
    levels = np.unique(table[np.isfinite(table)])
    counts = (table[:, :, None] == levels).sum(axis=0)
    counts = counts[counts.sum(axis=1) > 1]
    pairs = counts[:, :, None] * counts[:, None, :] - np.array([np.diag(c) for c in counts])
    coincidences = np.sum(pairs / (counts.sum(axis=1) - 1)[:, None, None], axis=0)
    n = coincidences.sum(axis=1)
    distance = np.array(
        [
            [n[min(c, k) : max(c, k) + 1].sum() - (n[c] + n[k]) / 2 for k in range(len(n))]
            for c in range(len(n))
        ]
    )
    observed = np.sum(coincidences * distance**2)
    return 1 - observed * (n.sum() - 1) / np.sum(np.outer(n, n) * distance**2)


# ---------------------------------------------------------------- Krippendorff's alpha


def test_alpha_by_hand():
    """Two raters, two units, ratings 1 1 and 1 2: ranks 2 2 and 2 4.

    The mean variance within a unit is (0 + 2) / 2, that among all four ranks is 1.
    """
    assert krippendorff(np.array([[1.0, 1.0], [1.0, 2.0]])) == pytest.approx(0)


@pytest.mark.parametrize("seed", range(20))
def test_alpha_is_what_the_coincidences_give(seed):
    table = ratings(seed)
    assert krippendorff(table) == pytest.approx(by_coincidences(table))


@pytest.mark.parametrize("seed", range(20))
def test_alpha_is_that_of_the_package(seed):
    package = pytest.importorskip("krippendorff")
    table = ratings(seed, raters=4, units=9, values=6)
    expected = package.alpha(reliability_data=table, level_of_measurement="ordinal")
    assert krippendorff(table) == pytest.approx(expected)


def test_alpha_knows_no_scale():
    table = ratings(0)
    assert krippendorff(np.exp(3 * table)) == pytest.approx(krippendorff(table))


@pytest.mark.parametrize("seed", range(5))
def test_alpha_of_orders_is_the_mean_rank_correlation_but_for_one_in_n(seed):
    orders = RNG(seed).random((7, 5)).argsort(axis=1).argsort(axis=1).astype(float)
    correlations = stats.spearmanr(orders, axis=1).statistic[np.triu_indices(7, 1)]
    assert 1 - krippendorff(orders) == pytest.approx(
        (1 - correlations.mean()) * (1 - 1 / orders.size)
    )


def test_alpha_is_1_for_equal_orders_and_0_for_random_ones():
    assert krippendorff(np.tile([3.0, 1.0, 2.0], (4, 1))) == 1
    random = RNG(0).random((4000, 6)).argsort(axis=1).astype(float)
    assert krippendorff(random) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    "table",
    [np.ones((3, 4)), np.full((3, 4), np.nan), np.empty((0, 3)), np.arange(4.0)[None]],
    ids=["all equal", "no rating", "no rater", "one rater"],
)
def test_alpha_is_undefined(table):
    assert np.isnan(krippendorff(table))


# ---------------------------------------------------------------- intraclass correlation


def test_the_example_of_shrout_and_fleiss():
    """Four judges rate six things (1979, table 2): .29 for one judge and .62 for the mean."""
    judges = np.array(
        [[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]], float
    )
    found = intraclass(judges)
    assert np.round(found.one, 2).tolist() == [0.29, 0.02, 0.76]
    assert round(found.mean, 2) == 0.62


def test_repetitions_that_change_nothing_agree_and_a_shift_of_all_does_not():
    things = np.arange(5.0)
    same = intraclass(np.tile(things, (3, 1)))
    assert (*same.one, same.mean) == (1, 1, 1, 1)
    # The variance of 0..4 is 2.5, and so is that of the shifts.
    shifted = intraclass(things + np.sqrt(2.5) * np.array([[-1.0], [0.0], [1.0]]))
    assert float(shifted.one.value) == pytest.approx(0.5)
    assert shifted.mean == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))


@pytest.mark.parametrize(
    "measured", [np.ones((3, 4)), np.arange(4.0)[None], np.arange(3.0)[:, None], np.empty((0, 0))]
)
def test_agreement_is_undefined(measured):
    found = intraclass(measured)
    assert np.isnan([*found.one, found.mean]).all()


@pytest.mark.parametrize("true", [0.2, 0.8])
def test_the_interval_covers_the_true_correlation(true):
    """In .94 to .95 of many; three standard errors of 400 are .035."""
    rng, covered = RNG(1), []
    for _ in range(400):
        things, shifts = (
            rng.normal(0, true**0.5, 8),
            rng.normal(0, (0.45 * (1 - true)) ** 0.5, (5, 1)),
        )
        noise = rng.normal(0, (0.55 * (1 - true)) ** 0.5, (5, 8))
        _, low, high = intraclass(things + shifts + noise).one
        covered.append(low <= true <= high)
    assert np.mean(covered) > 0.9


# ---------------------------------------------------------------- the table


def table(*tables, **changes):
    found = evidence(*tables, **changes)
    summary = summarize(found)
    return reliability(found, summary, judge(found, summary))


def row(*tables, **changes):
    return table(*tables, **changes).iloc[0]


def wandering(level, seed=0, spread=0.01):
    return level + RNG(seed).normal(0, spread, (2, DRAWS, IMAGES))


def test_equal_orders_and_draws_that_change_nothing():
    levels = 0.1 * np.arange(4)
    found = row(*(scored(f"e{n}", score=level) for n, level in enumerate(levels)))
    assert tuple(found.index) == RELIABILITY
    assert found[["n_explainers", "n_images", "n_draws"]].tolist() == [4, IMAGES, DRAWS]
    assert found[["alpha", "icc", "icc_low", "icc_high", "icc_mean"]].tolist() == [1] * 5


def test_the_order_counts_for_alpha_and_the_distance_for_draws():
    """Images order two explainers alike, but draws move both by more than what lies between."""
    shifts = np.array([-0.3, -0.1, 0.0, 0.1, 0.3])[:, None]
    found = row(scored("low", score=0.4 + shifts), scored("high", score=0.42 + shifts))
    assert found["alpha"] == 1
    assert found["icc"] < 0.01


def test_explainers_that_are_all_alike_cannot_be_told_apart():
    found = row(*(scored(f"e{n}", score=wandering(0.0, n)) for n in range(4)))
    assert abs(found["alpha"]) < 0.3
    assert found["icc"] < 0.3
    equal = row(scored("one"), scored("other", score=wandering(0.02, spread=1e-9)))
    assert np.isnan(equal[["alpha", "icc", "icc_mean"]].to_numpy(float)).all()


@pytest.mark.parametrize(
    "tables",
    [
        (scored(),),
        (scored(), scored("blank", status="constant_reference", null=np.nan)),
        (scored("blank", status="constant_reference", null=np.nan),),
    ],
)
def test_fewer_than_two_explainers_are_not_compared(tables):
    found = row(*tables)
    assert found["n_explainers"] < 2
    assert np.isnan(found[["alpha", "icc", "icc_low", "icc_high", "icc_mean"]].astype(float)).all()


@pytest.mark.parametrize(("blank", "explainers", "images"), [(4, 3, IMAGES - 4), (8, 2, IMAGES)])
def test_an_explainer_that_says_little_does_not_remove_the_images(blank, explainers, images):
    """Images without any map of an explainer do not count, unless it lacks most of them."""
    status = np.where(np.arange(IMAGES) < blank, "constant_reference", "ok")
    found = row(scored("low"), scored("high", score=0.5), scored("few", score=0.2, status=status))
    assert (found["n_explainers"], found["n_images"]) == (explainers, images)
    assert found["alpha"] == 1


def test_explainers_without_an_image_in_common_have_no_order():
    first = np.arange(IMAGES) < IMAGES // 2
    halves = [np.where(half, "constant_reference", "ok") for half in (first, ~first)]
    found = row(*(scored(f"e{n}", score=0.3 * n, status=half) for n, half in enumerate(halves)))
    assert (found["n_explainers"], found["n_images"]) == (2, 0)
    assert np.isnan(found["alpha"])
    assert found["icc"] == 1


def test_one_draw_has_an_alpha_and_no_test_of_its_repetition():
    found = row(scored("low", draws=1), scored("high", score=0.5, draws=1))
    assert found["alpha"] == 1
    assert found["n_draws"] == 1
    assert np.isnan(found["icc"])


def test_controls_count_for_their_verdicts_alone():
    kinds = {"edge_detector": "EdgeDetector", "weight_hash": "WeightHash"}
    both = [
        scored(name, measure, score=score)
        for measure in (SIGNED, ABSOLUTE, "ssim")
        for name, score in (("mine", 0.02), ("edge_detector", 1.0), ("weight_hash", 0.9))
    ]
    found = table(*both, controls=kinds).set_index("similarity")
    assert set(found["check"]) == {CHECK}
    assert set(found["n_explainers"]) == {1}
    # The edge detector fails as it must, noise keyed by weights should have passed.
    assert found["n_controls"].to_dict() == {SIGNED: 2, ABSOLUTE: 2, "ssim": 0}
    assert found["n_right"].to_dict() == {SIGNED: 1, ABSOLUTE: 1, "ssim": 0}


@pytest.mark.parametrize("expectations", [{CHECK: EXPECTED}, TWINS])
def test_with_measured_ceilings_too(expectations):
    """One table of scores: the ceiling of twins is that of its first stage."""
    found = row(
        *(
            scored(f"e{n}", score=np.stack([wandering(0.9, n)[0], wandering(0.1 * n, n)[0]]),
                   ceiling=0.9)
            for n in range(4)
        ),
        expectations=expectations,
    )  # fmt: skip
    assert found["alpha"] > 0.9
    assert found["icc"] > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"number": Number("share", "moves", passes="above", line=0.1)},
        {"expects": "keep"},
        {"statistic": "last"},
    ],
)
def test_whatever_number_decides_is_compared(changes):
    """Three explainers 0.1 apart on the number itself; null and ceiling are those of `scored`."""
    tables = [scored(f"e{n}", score=0.1 * n, null=-n) for n in range(3)]
    found = row(*tables, expectations={CHECK: replace(EXPECTED, **changes)})
    assert found[["alpha", "icc", "icc_mean"]].tolist() == [1, 1, 1]


def test_the_order_of_stages_is_compared_too(monkeypatch):
    """The maps of one explainer follow the output, those of the other go against it."""
    monkeypatch.setattr("helpers.evidence.STAGES", 4)
    rising = np.linspace(0, 0.9, 4)[:, None, None]
    tables = [scored("follows", score=1 - rising), scored("opposes", score=rising)]
    tables = [rows.assign(shift=rows["stage"].astype(float)) for rows in tables]
    ordered = replace(
        EXPECTED, statistic="order", number=Number("rank correlation", "has", passes="above")
    )
    found = row(*tables, expectations={CHECK: ordered})
    assert found[["alpha", "icc"]].tolist() == [1, 1]
