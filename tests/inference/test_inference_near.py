"""Scores that are judged by how near they come to 1: the number and its interval, by hand."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from helpers.evidence import CHECK, DRAWS, EXPECTED, IMAGES, SIGNED, evidence, scored, verdict

from saliency_bench.inference import cases, difference, summarize
from saliency_bench.inference.intervals import interval
from saliency_bench.protocols import AREA, Expectation, Number

PARALLEL = Number("cosine", "has a cosine of", passes="below", line=0.99, near=True)
NEAR = replace(EXPECTED, number=PARALLEL)
PLAIN = replace(EXPECTED, number=replace(PARALLEL, near=False))


def area(score, expected=NEAR):
    found = summarize(evidence(scored(score=score), expectations={CHECK: expected}))
    (row,) = found[found["stage"] == AREA].to_dict("records")
    return np.array([row["mean"], row["low"], row["high"]])


def test_it_is_one_minus_the_geometric_mean_of_the_distances():
    powers = np.resize([1.0, 2.0, 3.0], (2, DRAWS, IMAGES))
    assert area(1 - 10**-powers)[0] == pytest.approx(1 - 10**-2.0)


def test_its_interval_is_that_of_the_logarithm():
    powers = np.random.default_rng(0).normal(2, 0.5, (2, DRAWS, IMAGES))
    weights = np.full(powers.shape, 1 / powers.size)
    value, low, high = interval(-powers * np.log(10), np.ones(1), weights)
    expected = [1 - np.exp(value), 1 - np.exp(high), 1 - np.exp(low)]
    np.testing.assert_allclose(area(1 - 10**-powers), expected)


def test_few_scores_below_1_do_not_push_the_interval_above_1():
    """Nearly parallel throughout, some pairs by chance less: the mean's interval passes 1."""
    score = np.full((2, DRAWS, IMAGES), 1 - 1e-4)
    score[:, 1, 4] = 0.9
    assert area(score, PLAIN)[2] > 1
    value, low, high = area(score)
    assert 0.99 < low < value < high < 1
    expectations = {CHECK: NEAR}
    assert verdict(scored(score=score), expectations=expectations)["verdict"] == "fail"


@pytest.mark.parametrize(("score", "expected"), [(1.0, "fail"), (0.5, "pass"), (0.0, "pass")])
def test_equal_scores_have_no_width(score, expected):
    np.testing.assert_allclose(area(score), [score] * 3, atol=1e-7)
    assert verdict(scored(score=score), expectations={CHECK: NEAR})["verdict"] == expected


def test_a_gate_compares_the_numbers():
    rng = np.random.default_rng(2)
    one, two = (1 - 10 ** -rng.normal(2, 0.3, (2, DRAWS, IMAGES)) for _ in range(2))
    key = (CHECK, "mine", SIGNED)
    before, after = (
        next(cases(evidence(scored(score=score), expectations={CHECK: NEAR}), [key]))
        for score in (one, two)
    )
    same = difference(before.reported, before.reported, "similarity", paired=True)
    assert (same.value, same.error) == (0, 0)
    apart = difference(after.reported, before.reported, "similarity", paired=False)
    assert apart.value == pytest.approx(area(two)[0] - area(one)[0])
    # To first order, the error of the number is its distance from 1 times the logarithm's error.
    value, low, high = area(one)
    half = np.log((1 - low) / (1 - high)) / 2
    nothing = replace(before.reported, score=0 * one)
    alone = difference(before.reported, nothing, "similarity", paired=True)
    assert alone.interval().high - alone.value == pytest.approx((1 - value) * half, rel=1e-6)


def test_runs_of_an_older_version_are_read():
    facts = asdict(PLAIN)
    del facts["number"]["near"]
    assert Expectation.read(facts) == PLAIN
