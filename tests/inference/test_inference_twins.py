"""Verdicts where the ceiling is the similarity of networks trained alike."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.evidence import MEASURED, networks_of
from helpers.evidence import evidence as evidence_of

from saliency_bench.inference import interval, judge, problems, summarize
from saliency_bench.inference.intervals import pseudo_values
from saliency_bench.protocols import AREA

CHECK, SIGNED = "data", "spearman_signed"
NETWORKS, IMAGES = 3, 12
TWINS = 1
EXPECTED = replace(
    MEASURED,
    statistic="last",
    controls={n: v for n, v in MEASURED.controls.items() if n != "WeightHash"},
)


def scored(explainer="mine", *, networks=NETWORKS, **values):
    """Rows of one explainer; `twins`, `score` and `null` broadcast against `[D, I]`."""
    usual = {"twins": 0.7, "score": 0.02, "null": 0.0, "repeat": 1.0, "status": "ok"}
    twins, score, null, repeat, status = (usual | values).values()
    shape = (networks, IMAGES)
    draw, image = (index.ravel() for index in np.indices(shape))
    twins, score, null = (np.broadcast_to(v, shape).ravel() for v in (twins, score, null))
    stages = [
        {"stage": 0, "draw": 0, "image": np.arange(IMAGES), "score": repeat, "ceiling": 1.0},
        {"stage": TWINS, "draw": draw, "image": image, "score": twins, "ceiling": twins},
        {"stage": 2, "draw": draw, "image": image, "score": score, "ceiling": twins},
    ]
    stages[0]["null"] = null[:IMAGES]
    stages[1]["null"] = stages[2]["null"] = null
    rows = pd.concat([pd.DataFrame(stage) for stage in stages], ignore_index=True)
    rows["depth"] = (rows["stage"] == 2).astype(float)
    if status != "ok":
        rows["score"] = np.nan
    named = {"check": CHECK, "explainer": explainer, "similarity": SIGNED, "target": 0}
    return rows.assign(condition="", status=status, **named)


def networks(random=0.1, rows=NETWORKS):
    table = [(0, 0.0, 0, 0.95, 0)]
    table += [(TWINS, 0.0, draw, 0.95, 4) for draw in range(rows)]
    table += [(2, 1.0, draw, random, 4) for draw in range(rows)]
    return networks_of(table, check=CHECK)


def evidence(*tables, expectation=EXPECTED, **changes):
    usual = {"networks": networks(), "expectations": {CHECK: expectation}}
    return evidence_of(*tables, **usual | {"thresholds": {SIGNED: 0.15}} | changes)


def verdicts(*tables, **changes):
    found = evidence(*tables, **changes)
    return judge(found, summarize(found)).set_index("explainer")


def verdict(*tables, **changes):
    return verdicts(*tables, **changes).loc["mine"]


def centred(scale, seed=0):
    """Normal deviations that sum to 0."""
    drawn = np.random.default_rng(seed).normal(0, scale, (NETWORKS, IMAGES))
    return drawn - drawn.mean()


# ---------------------------------------------------------------- pseudo-values


def means_with_twins(effects):
    """`[1, D, 1]` each network's mean over pairs whose similarity is the sum of two effects."""
    pairs = effects[:, None] + effects[None, :]
    np.fill_diagonal(pairs, 0)
    return (pairs.sum(axis=1) / (len(effects) - 1))[None, :, None]


@pytest.mark.parametrize("count", [3, 4, 7])
def test_pseudo_values_keep_the_mean_and_differ_by_twice_the_networks_effects(count):
    effects = np.random.default_rng(count).normal(size=count)
    twins = means_with_twins(effects)
    found = pseudo_values(twins, np.full(twins.shape, 1 / count))
    assert found.mean() == pytest.approx(twins.mean())
    np.testing.assert_allclose(np.diff(found.ravel()), 2 * np.diff(effects))


def test_pseudo_values_are_those_of_the_delete_one_jackknife():
    pairs = np.array([[0, 0.2, 0.5], [0.2, 0, 0.9], [0.5, 0.9, 0]])
    twins = (pairs.sum(axis=1) / 2)[None, :, None]
    whole = pairs.sum() / 6
    # Without network 0 the pair (1, 2) is left, and so on: 3 * whole - 2 * the pair left.
    by_hand = 3 * whole - 2 * np.array([0.9, 0.5, 0.2])
    np.testing.assert_allclose(pseudo_values(twins, np.ones(twins.shape)).ravel(), by_hand)


def test_what_is_left_out_does_not_enter_the_mean():
    twins = np.array([[[0.2], [0.4], [0.0]]])
    found = pseudo_values(twins, np.array([[[0.5], [0.5], [0.0]]]))
    # The mean of the living is .3; at three networks the stretch is 4.
    np.testing.assert_allclose(found.ravel(), [-0.1, 0.7, 0.0])


# ---------------------------------------------------------------- coverage, by simulation

STUDIES = 1500


def simulated(rng, count, images, retained, *, true, random, pair):
    """Scores and mean twin similarities `[S, 1, D, I]` of networks with effects of their own."""
    agreement = 0.7
    effects = rng.normal(0, true, (STUDIES, count, 1))
    pairs = np.zeros((STUDIES, count, count, images))
    for one in range(count):
        for other in range(one):
            shared = rng.normal(0, pair, (STUDIES, 1)) + rng.normal(0, 0.1, (STUDIES, images))
            pairs[:, one, other] = agreement + effects[:, one] + effects[:, other] + shared
            pairs[:, other, one] = pairs[:, one, other]
    twins = pairs.sum(axis=2) / (count - 1)
    score = agreement * retained + effects / 2 + rng.normal(0, random, (STUDIES, count, 1))
    score = score + rng.normal(0, 0.1, (STUDIES, 1, images))
    score = score + rng.normal(0, 0.1, (STUDIES, count, images))
    return score[:, None], twins[:, None]


def coverage(found, truth):
    return np.mean((found.low <= truth) & (truth <= found.high))


@pytest.mark.parametrize("retained", [0.0, 0.15, 0.5])
@pytest.mark.parametrize("count", [3, 5])
def test_retained_is_covered_with_the_ceilings_own_error(count, retained):
    rng = np.random.default_rng(count)
    effects = {"true": 0.05, "random": 0.05, "pair": 0.02}
    score, twins = simulated(rng, count, 32, retained, **effects)
    weights = np.full((1, count, 32), 1 / (count * 32))
    found = interval(score, pseudo_values(twins, weights), weights)
    assert 0.9 <= coverage(found, retained) <= 0.99


def test_the_twins_mean_is_covered_where_plain_means_are_not():
    rng = np.random.default_rng(1)
    _, twins = simulated(rng, 3, 32, 0, true=0.05, random=0.05, pair=0.0)
    weights = np.full((1, 3, 32), 1 / 96)
    assert coverage(interval(pseudo_values(twins, weights), np.ones(1), weights), 0.7) >= 0.9
    assert coverage(interval(twins, np.ones(1), weights), 0.7) < 0.75


# ---------------------------------------------------------------- summary and verdicts


def test_summary_by_mental_arithmetic():
    # (.3 - .1) / (.7 - .1) = 1/3; twins retain all of themselves.
    found = summarize(evidence(scored(score=0.3, null=0.1))).set_index("stage")
    assert found.loc[[TWINS, 2, AREA], "retained"].tolist() == pytest.approx([1, 1 / 3, 1 / 3])
    assert found.loc[[TWINS, 2, AREA], "mean"].tolist() == pytest.approx([0.7, 0.3, 0.3])
    assert found.loc[[TWINS, 2, AREA], "ceiling"].tolist() == pytest.approx([0.7] * 3)


def test_the_twins_row_has_the_width_of_pseudo_values():
    twins = np.repeat([[0.68], [0.7], [0.72]], IMAGES, axis=1)
    row = summarize(evidence(scored(twins=twins))).set_index("stage").loc[TWINS]
    # Four times as far apart: .62, .7, .78. So .08 / sqrt(3), with two degrees of freedom.
    assert row["high"] - row["mean"] == pytest.approx(4.302653 * 0.08 / 3**0.5, rel=1e-4)
    assert row["retained_low"] == row["retained_high"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("score", "expected"), [(0.02, "pass"), (0.4, "fail"), (0.105, "inconclusive")]
)
def test_the_verdict_says_where_true_against_random_lies(score, expected):
    found = verdict(scored(score=score + centred(0.05), twins=0.7 + centred(0.02, seed=1)))
    assert found["verdict"] == expected
    assert "3 networks of a kind, 12 images" in found["reason"]
    assert f"score {score:.2f}" in found["reason"]
    assert "null 0.00, twins 0.7" in found["reason"]


def test_fewer_than_three_networks_of_a_kind_decide_nothing():
    table = scored(networks=2)
    found = verdict(table, networks=networks(rows=2))
    assert found["verdict"] == "inconclusive"
    assert "3 networks of a kind, this run has 2" in found["reason"]
    assert (
        summarize(evidence(table))[["retained_low", "retained_high"]].iloc[1:].isna().all(axis=None)
    )


@pytest.mark.parametrize(
    "twins", [0.05, np.repeat([[0.0], [0.3], [0.6]], IMAGES, axis=1)], ids=["low", "uncertain"]
)
def test_twins_that_do_not_agree_leave_it_undefined_and_not_passed(twins):
    found = verdict(scored(twins=twins, score=0.0))
    assert found["verdict"] == "undefined"
    assert np.isnan(found["retained"]) == (not np.isscalar(twins))
    assert "twins and null lie too close together to tell" in found["reason"]


def test_a_map_that_vanished_under_a_twin_is_left_out_and_has_not_changed():
    table = scored(score=0.3, null=0.1)
    gone = (table["stage"] == TWINS) & (table["draw"] == 1) & (table["image"] < 4)
    table.loc[gone, ["score", "ceiling"]] = np.nan
    table.loc[gone, "status"] = "died"
    row = summarize(evidence(table)).set_index("stage").loc[TWINS]
    assert row[["mean", "ceiling", "retained"]].tolist() == pytest.approx([0.7, 0.7, 1])
    assert row["undefined"] == pytest.approx(4 / 36)


def test_a_network_whose_maps_are_all_blank_is_not_counted():
    table = scored()
    blank = (table["stage"] == 2) & (table["draw"] == 1)
    table.loc[blank, "status"] = "constant_reference"
    table.loc[blank, ["score", "ceiling"]] = np.nan
    found = verdict(table)
    assert found["verdict"] == "inconclusive"
    assert "this run has 2" in found["reason"]


@pytest.mark.parametrize(("deepest", "expected"), [(0.02, "pass"), (0.6, "fail")])
def test_of_several_levels_the_last_is_judged_and_each_has_a_row(deepest, expected):
    table = scored(score=0.5)
    last = table[table["stage"] == 2].assign(stage=3, score=deepest)
    levels = pd.concat([networks(), networks().tail(NETWORKS).assign(stage=3)], ignore_index=True)
    levels.loc[levels["stage"] == 2, ["depth", "accuracy", "destroyed"]] = 0.5, 0.6, False
    found = evidence(table, last, networks=levels)
    retained = summarize(found).set_index("stage")["retained"]
    assert retained[[2, 3, AREA]].tolist() == pytest.approx(
        [0.5 / 0.7, deepest / 0.7, deepest / 0.7]
    )
    assert judge(found, summarize(found))["verdict"].item() == expected


@pytest.mark.parametrize(
    ("null", "expected"), [(0.3, "pass"), (0.48, "undefined"), (0.58, "undefined")]
)
def test_the_room_is_asked_for_as_an_interval(null, expected):
    # Twins agree by .6, give or take .04 a network: room .30, then .12 with a lower end under .1.
    twins = 0.6 + np.array([[-0.02], [0.0], [0.02]])
    found = verdict(scored(twins=np.broadcast_to(twins, (3, IMAGES)), score=null, null=null))
    assert found["verdict"] == expected


def test_too_few_networks_hold_no_control_to_a_verdict():
    tables = [scored(name, networks=2, **values) for name, (_, values) in CONTROLS.items()]
    found = verdicts(*tables, controls=KINDS, networks=networks(rows=2))
    assert problems(found.reset_index()) == ()


CONTROLS = {
    "edge_detector": ("fail", {"twins": 1.0, "score": 1.0, "null": 0.3}),
    "random_frozen": ("fail", {"twins": 1.0, "score": 1.0, "null": 0.0}),
    "centre_prior": ("fail", {"twins": 1.0, "score": 1.0, "null": 1.0}),
    "weight_hash": ("pass", {"twins": 0.0, "score": 0.0}),
    "constant": ("undefined", {"status": "constant_reference"}),
    "random_fresh": ("undefined", {"twins": 0.0, "score": 0.0, "repeat": 0.0}),
}
DUE = {name: due for name, (due, _) in CONTROLS.items()}
KINDS = {name: "".join(map(str.capitalize, name.split("_"))) for name in CONTROLS}


def every_control(**settings):
    return [scored(name, **(values | settings)) for name, (_, values) in CONTROLS.items()]


def test_every_control_gets_the_verdict_that_is_due_and_none_is_due_to_the_weights_hash():
    found = verdicts(*every_control(), controls=KINDS)
    assert found["control"].to_dict() == DUE | {"weight_hash": ""}
    assert found["ok"].all()
    assert found.loc["weight_hash", "verdict"] == "undefined"


def test_a_failed_guard_leaves_all_undefined_and_holds_no_control_to_a_verdict():
    lines = ("network 1 learned nothing", "network 2 leaks")
    guarded = replace(EXPECTED, guards=lines)
    found = verdicts(scored(), *every_control(), controls=KINDS, expectation=guarded)
    assert set(found["verdict"]) == {"undefined"}
    assert set(found["reason"]) == {"; ".join(lines)}
    assert problems(found.reset_index()) == ()


def test_random_networks_above_chance_leave_it_undefined():
    found = verdict(scored(), networks=networks(random=0.4))
    assert found["verdict"] == "undefined"
    assert "a network trained on random labels is not at chance" in found["reason"]


def test_a_check_that_does_not_apply_holds_no_control_to_a_verdict():
    refused = [
        scored(name).head(1).assign(status="not_applicable", condition="no data", score=np.nan)
        for name in ("mine", *CONTROLS)
    ]
    found = verdicts(*refused, controls=KINDS, networks=networks().head(0))
    assert set(found["verdict"]) == {"not_applicable"}
    assert set(found["reason"]) == {"not_applicable: no data"}
    assert problems(found.reset_index()) == ()
