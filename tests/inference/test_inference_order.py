"""The rank correlation over the stages of a map's change with the output's, and its verdict."""

from dataclasses import asdict, replace

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
)
from scipy import stats

from saliency_bench.inference import cases, difference, summarize
from saliency_bench.inference.orders import order_of
from saliency_bench.protocols import AREA, Expectation, Number

STEPS = 6
FOLLOWS = Number("rank correlation", "follows at", passes="above", line=0.5)
ORDERED = replace(EXPECTED, statistic="order", number=FOLLOWS)
EXPECTATIONS = {CHECK: ORDERED}


@pytest.fixture(autouse=True)
def more_stages(monkeypatch):
    monkeypatch.setattr("helpers.evidence.STAGES", STEPS)


def shifted(score, shift, **values):
    """Rows whose stages have these scores and shifts, `[L]` or what broadcasts to `[L, D, I]`."""
    shape = (STEPS, DRAWS, IMAGES)
    whole = (np.reshape(v, (STEPS, *(np.shape(v)[1:] or (1, 1)))) for v in (score, shift))
    scores, shifts = (np.broadcast_to(values, shape) for values in whole)
    rows = scored(score=scores, **values)
    return rows.assign(shift=np.concatenate([np.full(IMAGES, np.nan), shifts.ravel()]))


def test_it_is_spearmans_correlation_of_every_draw_and_image():
    change, shift = np.random.default_rng(0).normal(size=(2, 7, 3, 4))
    found = order_of(change, shift, np.ones_like(change, bool))
    for draw, image in np.ndindex(3, 4):
        own = stats.spearmanr(change[:, draw, image], shift[:, draw, image]).statistic
        assert found[draw, image] == pytest.approx(own)


def test_ties_and_unknown_stages_are_as_in_scipy():
    rng = np.random.default_rng(1)
    change, shift = rng.integers(0, 3, (2, 9, 2, 3)).astype(float)
    known = rng.random(change.shape) < 0.7
    found = order_of(change, shift, known)
    for place in np.ndindex(2, 3):
        its = known[(slice(None), *place)]
        pair = (values[(slice(None), *place)][its] for values in (change, shift))
        assert found[place] == pytest.approx(stats.spearmanr(*pair).statistic)


def test_a_map_that_never_moves_follows_nothing():
    still, moving = np.zeros((4, 1, 1)), np.arange(4.0).reshape(4, 1, 1)
    known = np.ones((4, 1, 1), bool)
    assert order_of(still, moving, known) == 0
    assert np.isnan(order_of(moving, still, known))


def test_two_stages_have_no_order():
    steps = np.arange(2.0).reshape(2, 1, 1)
    assert np.isnan(order_of(steps, steps, np.ones((2, 1, 1), bool)))


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (np.linspace(0.9, 0.1, STEPS), "pass"),
        (np.linspace(0.1, 0.9, STEPS), "fail"),
        (np.ones(STEPS), "fail"),
    ],
    ids=["falls as the output moves", "rises as the output moves", "never moves"],
)
def test_the_order_alone_decides(score, expected):
    row = verdict(shifted(score, np.arange(STEPS) + 1.0), expectations=EXPECTATIONS)
    assert row["verdict"] == expected
    assert "rank correlation" in row["reason"]
    assert np.isnan(row["retained"])


def test_any_rising_function_of_the_shift_gives_the_same():
    scores = np.random.default_rng(2).random((STEPS, DRAWS, IMAGES))
    shift = np.random.default_rng(3).random((STEPS, DRAWS, IMAGES))
    one, two = (
        summarize(evidence(shifted(scores, moved), expectations=EXPECTATIONS))
        for moved in (shift, np.exp(5 * shift))
    )
    columns = ["mean", "low", "high"]
    assert one.loc[one.stage == AREA, columns].equals(two.loc[two.stage == AREA, columns])


def test_an_output_that_never_moves_is_undefined():
    row = verdict(shifted(np.linspace(0.9, 0.1, STEPS), np.ones(STEPS)), expectations=EXPECTATIONS)
    assert row["verdict"] == "undefined"
    assert "constant output" in row["reason"]


def test_a_map_that_does_not_repeat_is_undefined():
    rows = shifted(np.full(STEPS, 0.01), np.arange(STEPS) + 1.0, repeat=0.05)
    row = verdict(rows, expectations=EXPECTATIONS)
    assert row["verdict"] == "undefined"
    assert "irreproducible" in row["reason"]


def test_maps_that_died_may_decide():
    """Counted as the null they moved farthest; left out, too few stages have an order."""
    score = np.array([0.9, 0.8, 0.0, 0.0, 0.0, 0.0])
    status = np.array(["ok", "ok", *["died"] * 4]).reshape(STEPS, 1, 1)
    rows = shifted(score, np.arange(STEPS) + 1.0, status=status)
    assert verdict(rows, expectations=EXPECTATIONS)["verdict"] == "inconclusive"


def test_a_similarity_without_a_threshold_has_no_verdict():
    rows = shifted(np.linspace(0.9, 0.1, STEPS), np.arange(STEPS) + 1.0, similarity="ssim")
    found = summarize(evidence(rows, expectations=EXPECTATIONS))
    (area,) = found[found.stage == AREA].to_dict("records")
    assert (area["verdict"], area["mean"]) == ("", pytest.approx(1.0))


def test_stages_keep_the_share_that_is_retained():
    falling = np.linspace(0.9, 0.4, STEPS)
    found = summarize(evidence(shifted(falling, np.arange(STEPS) + 1.0), expectations=EXPECTATIONS))
    stages = found[found.stage > 0]
    np.testing.assert_allclose(stages["retained"], falling)


def test_a_gate_compares_the_correlations():
    rising = np.arange(STEPS) + 1.0
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.2, (STEPS, DRAWS, IMAGES))
    one, two = (
        next(cases(evidence(shifted(score, rising), expectations=EXPECTATIONS),
                   [(CHECK, "mine", SIGNED)]))
        for score in (np.linspace(0.9, 0.1, STEPS)[:, None, None] + noise,
                      np.full((STEPS, DRAWS, IMAGES), 1.0))
    )  # fmt: skip
    apart = difference(one.reported, two.reported, one.statistic, paired=True).interval()
    assert apart.value == pytest.approx(float(one.number.value))
    assert apart.low > 0
    assert one.worse == -1


def test_what_is_declared_is_read_back():
    assert Expectation.read(asdict(ORDERED)) == ORDERED
