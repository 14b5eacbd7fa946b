"""Draws that are given and not drawn, a similarity that decides alone, and how close it must be."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.evidence import (
    CHECK,
    DRAWS,
    EXPECTED,
    IMAGES,
    SIGNED,
    evidence,
    scored,
    verdict,
    verdicts,
)
from scipy import stats

from saliency_bench.inference import interval, summarize
from saliency_bench.inference.intervals import estimate
from saliency_bench.inference.pairs import count, difference
from saliency_bench.protocols import AREA, Expectation

CLOSE = "closeness"
KEPT = replace(
    EXPECTED, expects="keep", statistic="last", decides=CLOSE, tolerance=1e-3, fixed_draws=True
)


def kept(score, **settings):
    table = scored(similarity=CLOSE, score=score, null=-0.4, **settings)
    return verdict(table, expectations={CHECK: KEPT})


def test_the_interval_of_given_draws_is_students_over_the_images():
    table = np.random.default_rng(0).normal(size=(1, 3, 8)) + np.array([[0.0], [5.0], [-5.0]])
    found = interval(table, np.ones(1), np.full(table.shape, 1 / 24), fixed=True)
    means = table[0].mean(axis=0)
    half = stats.t.ppf(0.975, 7) * stats.sem(means)
    np.testing.assert_allclose(found, [means.mean(), means.mean() - half, means.mean() + half])


def test_one_given_draw_is_enough():
    cells = np.array([[1.0, -1.0, 0.0]])
    assert np.isnan(estimate(np.zeros(()), cells).error)
    assert estimate(np.zeros(()), cells, fixed=True).error == pytest.approx(3**-0.5)


def test_one_image_gives_no_interval():
    assert np.isnan(estimate(np.zeros(()), np.zeros((1, 1)), fixed=True).error)


def test_given_draws_cover_their_own_mean():
    """Draws that differ by much, 400 studies of 12 images: the interval covers in about .95."""
    rng = np.random.default_rng(1)
    draws = np.array([0.0, 3.0, -1.0])
    scores = rng.normal(size=(400, 1, 3, 12)) + draws[:, None] + rng.normal(size=(400, 1, 1, 12))
    found = interval(scores, np.ones(1), np.full(scores.shape[1:], 1 / 36), fixed=True)
    inside = (found.low < draws.mean()) & (draws.mean() < found.high)
    assert abs(inside.mean() - 0.95) < 0.04


def test_draws_that_differ_do_not_hide_that_one_of_them_fails():
    """Kept under two shifts, lost under the third: as draws of many, this would be inconclusive."""
    score = np.ones((2, 3, IMAGES))
    score[:, 2] = np.linspace(-0.1, 0.1, IMAGES)
    assert kept(score, draws=3)["verdict"] == "fail"
    drawn = replace(KEPT, fixed_draws=False)
    table = scored(similarity=CLOSE, score=score, draws=3)
    assert verdict(table, expectations={CHECK: drawn})["verdict"] == "inconclusive"


@pytest.mark.parametrize(("score", "expected"), [(0.9995, "pass"), (0.998, "fail")])
def test_the_tolerance_is_that_of_the_check(score, expected):
    found = kept(score)
    assert found["verdict"] == expected
    side = {"pass": "above", "fail": "below"}[expected]
    assert (
        f"closeness {score:.4f} [{score:.4f}, {score:.4f}] lies {side} the threshold 0.9990"
        in (found["reason"])
    )


def test_the_score_stands_in_the_tables_and_no_share_of_it():
    found = summarize(evidence(scored(similarity=CLOSE, score=0.9985), expectations={CHECK: KEPT}))
    shares = found[["retained", "retained_low", "retained_high"]]
    assert shares[found["stage"] > 0].isna().all(axis=None)
    assert shares[found["stage"] == AREA].isna().all(axis=None)
    assert found.loc[found["stage"] == AREA, "mean"].tolist() == [pytest.approx(0.9985)]


@pytest.mark.parametrize(
    ("changes", "name", "digits"),
    [
        ({}, CLOSE, 4),
        ({"tolerance": 0.1}, CLOSE, 2),
        ({"decides": ""}, "similarity", 4),
        ({"expects": "change", "decides": ""}, "retained", 2),
    ],
)
def test_the_number_that_decides_has_a_name_and_the_digits_of_its_line(changes, name, digits):
    expected = replace(KEPT, **changes)
    assert (expected.judged, expected.digits) == (name, digits)
    assert expected.is_scored == (name != "retained")


@pytest.mark.parametrize("draws", [1, 2])
def test_given_draws_need_no_least_number(draws):
    assert kept(0.9999, draws=draws)["verdict"] == "pass"


def test_only_the_named_similarity_decides():
    tables = scored(similarity=CLOSE, score=0.5), scored(similarity=SIGNED, score=1.0)
    found = verdicts(*tables, expectations={CHECK: KEPT})
    assert found[["similarity", "verdict"]].values.tolist() == [[CLOSE, "fail"]]
    assert "!" not in found["reason"].iloc[0]


def test_without_it_the_usual_one_says_where_the_verdict_is_taken():
    found = verdict(scored(score=1.0), expectations={CHECK: KEPT})
    assert (found["verdict"], found["reason"]) == (
        "", "descriptive: the verdict is taken on closeness",
    )  # fmt: skip


def test_maps_that_do_not_repeat_themselves_are_not_kept():
    found = kept(1.0, repeat=-0.4)
    assert found["verdict"] == "undefined"
    assert "irreproducible" in found["reason"]


@pytest.mark.parametrize("paired", [True, False])
def test_differences_of_given_draws_are_over_the_images(paired):
    rng = np.random.default_rng(3)
    sides = []
    for offset in (0.0, 0.5):
        score = rng.normal(size=(1, 1, IMAGES)) + offset
        sides.append(count(_pairs(score), fixed=True))
    apart = difference(sides[1], sides[0], "similarity", paired=paired)
    one, other = (side.score[0, 0] for side in sides)
    error = stats.sem(other - one) if paired else np.hypot(stats.sem(one), stats.sem(other))
    assert apart.value == pytest.approx(other.mean() - one.mean())
    assert apart.error == pytest.approx(error)


def _pairs(score):
    from saliency_bench.inference.pairs import Pairs

    ones = np.ones_like(score)
    return Pairs(np.array([1]), score, 0 * ones, ones, np.zeros(score.shape, np.int8))


def test_what_an_older_run_says_of_itself_is_read_as_before():
    facts = {"words": vars(EXPECTED.words), "expects": "keep"}
    read = Expectation.read(facts)
    assert (read.decides, read.tolerance, read.fixed_draws) == ("", 0.1, False)
    assert DRAWS >= 3
