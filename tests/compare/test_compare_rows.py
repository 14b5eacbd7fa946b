"""What becomes of a row, from scores that are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.evidence import ABSOLUTE, CHECK, EXPECTED, MEASURED, SIGNED, networks, scored
from helpers.runs import made, noisy

from saliency_bench.compare import compare

OTHER_NETWORK = {"weights_hash": "another"}
KEEP = {"expectations": {CHECK: replace(EXPECTED, expects="keep")}}


def only(baseline, run, **settings):
    comparison = compare(baseline, run, **settings)
    (row,) = comparison.rows
    return row, comparison


def test_a_run_is_the_same_as_itself_to_the_bit():
    row, comparison = only(made(), made())
    assert (row.outcome, row.why, row.moved) == ("same", "", 0.0)
    assert tuple(map(float, row.difference)) == (0.0, 0.0, 0.0)
    assert not comparison.regressed
    assert (comparison.study, comparison.settings, comparison.problems) == ((), (), ())


def test_more_that_is_retained_is_a_regression():
    row, comparison = only(made(noisy(0.02)), made(noisy(0.4)))
    assert (row.outcome, row.before, row.after) == ("regressed", "pass", "fail")
    # The same effects of draws and images are on both sides: they cancel.
    assert tuple(map(float, row.difference)) == pytest.approx((0.38, 0.38, 0.38))
    assert row.why == "pass -> fail, retained +0.38 [+0.38, +0.38], beyond the tolerance 0.1"
    assert comparison.regressed
    assert comparison.failures == (row,)


def test_less_is_an_improvement_and_no_failure_unless_it_is_the_same_network():
    row, comparison = only(made(noisy(0.4)), made(noisy(0.02), facts=OTHER_NETWORK))
    assert (row.outcome, comparison.regressed) == ("improved", False)
    row, comparison = only(made(noisy(0.4)), made(noisy(0.02)))
    assert (row.outcome, comparison.regressed) == ("changed", True)
    assert row.why.startswith("fail -> pass, retained -0.38 [")
    assert row.why.endswith(", 91% of the scores differ")


def test_another_network_may_differ_by_chance():
    row, comparison = only(made(noisy(0.02)), made(noisy(0.05, seed=1), facts=OTHER_NETWORK))
    assert (row.outcome, comparison.regressed) == ("same", False)
    assert np.isnan(row.moved)
    assert comparison.study == ("weights_hash",)


def test_other_scores_of_the_same_network_are_a_change_unless_it_is_allowed():
    sides = made(noisy(0.02)), made(noisy(0.02, seed=1))
    row, comparison = only(*sides)
    assert row.outcome == "changed"
    assert row.why.endswith("% of the scores differ")
    assert comparison.regressed
    row, comparison = only(*sides, changes_allowed=True)
    assert (row.outcome, comparison.regressed) == ("changed", False)


def test_what_threads_do_to_a_score_is_no_change():
    tipped = noisy(0.02)
    tipped.loc[tipped.index % 100 == 50, "score"] += 0.2  # a rank tips over, one time in a hundred
    tipped["score"] += 0.004
    row, comparison = only(made(noisy(0.02)), made(tipped))
    assert (row.outcome, row.moved, comparison.regressed) == ("same", pytest.approx(1 / 132), False)


def test_a_map_that_died_is_a_change():
    died = made(noisy(0.02, status=np.where(np.arange(12) < 1, "died", "ok")))
    assert only(made(noisy(0.02)), died)[0].moved == pytest.approx(10 / 132)


def test_the_tolerance_is_the_users():
    sides = made(noisy(0.02)), made(noisy(0.1), facts=OTHER_NETWORK)
    assert only(*sides)[0].outcome == "same"
    assert only(*sides, tolerance=0.05)[0].outcome == "regressed"


def test_a_pass_that_turns_into_a_fail_needs_no_tolerance():
    near, beyond = made(noisy(0.1)), made(noisy(0.19), facts=OTHER_NETWORK)
    row, _ = only(near, beyond)
    assert (row.before, row.after, row.outcome) == ("pass", "fail", "regressed")
    assert only(beyond, near)[0].outcome == "improved"


def test_a_pass_that_becomes_inconclusive_by_chance_is_told_and_no_failure():
    row, comparison = only(made(noisy(0.1)), made(noisy(0.14), facts=OTHER_NETWORK))
    assert (row.before, row.after, row.outcome) == ("pass", "inconclusive", "same")
    assert row.why.startswith("pass -> inconclusive, retained +0.04 [")
    assert not comparison.regressed


def test_a_verdict_that_hangs_on_pairs_without_a_score_is_told_and_no_failure():
    # Counted as unchanged, the half without a score would make it fail.
    blank = np.where(np.arange(12) < 6, "nan", "ok")
    hanging = made(noisy(0.03, seed=1, status=blank), facts=OTHER_NETWORK)
    row, comparison = only(made(), hanging)
    assert (row.before, row.after, row.outcome) == ("pass", "undefined", "same")
    assert row.why.startswith("pass -> undefined, retained +0.0")
    assert not comparison.regressed
    assert only(hanging, made())[0].outcome == "same"


def test_a_verdict_that_too_few_draws_allow_is_none():
    few = made(noisy(0.02, draws=2), facts={**OTHER_NETWORK, "draws": 2})
    row, comparison = only(made(), few)
    assert (row.after, row.outcome) == ("inconclusive", "regressed")
    assert row.why == "pass -> inconclusive: a verdict needs 3 draws, this run has 2"
    assert comparison.regressed


@pytest.mark.parametrize("status", ["error", "not_applicable"])
def test_an_explainer_that_no_longer_runs_is_a_regression(status):
    gone = scored().iloc[:1].assign(status=status, condition="it broke", score=np.nan)
    row, comparison = only(made(), made(gone))
    assert (row.outcome, row.after) == ("regressed", status)
    assert row.why == f"pass -> {status}: {status}: it broke"
    assert comparison.regressed


@pytest.mark.parametrize(
    ("old", "new"),
    [("undefined", "error"), ("not_applicable", "error"), ("error", "not_applicable")],
)
def test_that_it_fails_in_another_way_is_no_improvement(old, new):
    sides = {
        name: made(scored().iloc[:1].assign(status=name, condition="it broke", score=np.nan))
        for name in ("error", "not_applicable")
    }
    sides["undefined"] = made(noisy(0.02, status="constant_reference"))
    row, _ = only(sides[old], sides[new])
    assert (row.before, row.after, row.outcome) == (old, new, "regressed")


def test_a_verdict_that_can_no_longer_be_given_is_a_regression():
    blank = made(noisy(0.02, status="constant_reference"))
    row, _ = only(made(), blank)
    assert (row.outcome, row.before, row.after) == ("regressed", "pass", "undefined")
    assert "too few pairs have a score" in row.why
    assert only(blank, made(facts=OTHER_NETWORK))[0].outcome == "improved"
    assert only(blank, blank)[0].outcome == "same"


def test_a_fixed_map_that_shares_all_with_others_regresses_though_nothing_can_be_retained():
    fixed = made(scored(score=1.0, null=1.0))
    row, comparison = only(made(), fixed)
    assert (row.after, row.outcome) == ("fail", "regressed")
    assert np.isnan(row.difference.low)
    assert comparison.regressed


def test_where_maps_must_keep_a_lower_score_is_the_regression():
    row, _ = only(made(noisy(0.97), **KEEP), made(noisy(0.6), **KEEP))
    assert (row.before, row.after, row.outcome) == ("pass", "fail", "regressed")
    assert "similarity -0.37" in row.why
    assert float(row.baseline.value) == pytest.approx(0.97, abs=0.03)
    better = made(noisy(0.97), facts=OTHER_NETWORK, **KEEP)
    assert only(made(noisy(0.6), **KEEP), better)[0].outcome == "improved"


def test_areas_over_other_stages_are_not_compared():
    sides = made(), made(networks=networks().query("stage != 1"))
    line = r"must average redraw over stages that are the same; got 2 \(1, 2\) and 1 \(2\)"
    with pytest.raises(ValueError, match=line):
        compare(*sides)
    none = made(noisy(0.02), networks=networks().query("stage == 0"))
    assert compare(made(), none).rows


def test_what_is_missing_closes_the_gate_and_what_is_new_does_not():
    one, both = made(noisy(0.02)), made(noisy(0.02), noisy(0.02, "other"))
    outcomes = {row.explainer: row.outcome for row in compare(both, one).rows}
    assert outcomes == {"mine": "same", "other": "missing"}
    assert compare(both, one).regressed
    outcomes = {row.explainer: row.outcome for row in compare(one, both).rows}
    assert outcomes == {"mine": "same", "other": "new"}
    assert not compare(one, both).regressed


def test_similarities_without_a_verdict_are_left_out():
    with_ssim = made(noisy(0.02), noisy(0.9, similarity="ssim"))
    assert [row.similarity for row in compare(with_ssim, made(noisy(0.02))).rows] == [SIGNED]


def test_the_more_rows_the_wider_their_intervals():
    tables = [noisy(0.02, name) for name in "abcdefgh"]
    others = [noisy(0.05, name, seed=1) for name in "abcdefgh"]
    eight = compare(made(*tables), made(*others)).rows[0].difference
    alone = compare(made(tables[0]), made(others[0])).rows[0].difference
    assert eight.value == alone.value
    assert eight.high - eight.low > 1.5 * (alone.high - alone.low)


def test_an_invalid_run_closes_the_gate_and_an_invalid_baseline_is_refused():
    edges = scored("edge_detector", score=1.0)
    fine = made(noisy(0.02), edges, controls={"edge_detector": "EdgeDetector"})
    wrong = made(
        noisy(0.02), scored("edge_detector", score=0.0), controls={"edge_detector": "EdgeDetector"}
    )
    assert not compare(fine, fine).regressed
    assert [row.explainer for row in compare(fine, fine).rows] == ["mine"]
    broken = compare(fine, wrong)
    assert broken.regressed
    assert broken.problems[0].startswith("redraw: control edge_detector must be fail, got pass")
    with pytest.raises(ValueError, match="a baseline must be valid; it is not: redraw: control"):
        compare(wrong, fine)


def test_a_run_without_the_controls_of_its_baseline_proves_nothing():
    edges = scored("edge_detector", score=1.0)
    fine = made(noisy(0.02), edges, controls={"edge_detector": "EdgeDetector"})
    assert compare(fine, made()).problems == ("control edge_detector is missing",)


def test_a_guard_of_a_check_that_is_left_out_does_not_close_the_gate():
    later = noisy(0.02).assign(check="later")
    promises = {CHECK: EXPECTED, "later": EXPECTED}
    guarded = {**promises, "later": replace(EXPECTED, guards=("overlap",))}
    before = made(noisy(0.02), later, expectations=promises)
    after = made(noisy(0.02), later, expectations=guarded)
    assert compare(before, after).problems == ("later: overlap",)
    assert not compare(before, after, checks=[CHECK]).regressed


def test_a_failed_guard_closes_the_gate():
    guarded = {CHECK: replace(EXPECTED, guards=("train and explain overlap",))}
    found = compare(made(), made(noisy(0.02), expectations=guarded))
    assert found.problems == ("redraw: train and explain overlap",)
    assert found.regressed


def test_settings_that_are_not_the_same_are_told():
    other = made(facts={"explainers": {"mine": "Mine(samples=50)"}, "source": "z"})
    assert compare(made(), other).settings == (
        "explainers.mine: Mine(samples=25) -> Mine(samples=50)",
        "source: s -> z",
    )


def test_one_check_alone():
    later = noisy(0.6).assign(check="later")
    expectations = {CHECK: EXPECTED, "later": EXPECTED}
    before = made(noisy(0.02), later.assign(score=0.0), expectations=expectations)
    after = made(noisy(0.02), later, expectations=expectations)
    assert compare(before, after).regressed
    chosen = compare(before, after, checks=[CHECK])
    assert [row.check for row in chosen.rows] == [CHECK]
    assert not chosen.regressed
    with pytest.raises(ValueError, match=r"checks must be of the baseline: \['later', 'redraw'\]"):
        compare(before, after, checks=["nothing"])


def test_other_promises_cannot_be_compared():
    with pytest.raises(ValueError, match="the same; got change ceiling area and keep ceiling area"):
        compare(made(), made(noisy(0.95), **KEEP))


def test_another_threshold_is_refused_not_called_a_regression():
    with pytest.raises(ValueError, match="must have as the threshold of spearman_signed the same"):
        compare(made(), made(noisy(0.02), thresholds={SIGNED: 0.01}))


def test_draws_and_images_are_paired_by_their_numbers():
    later = noisy(0.02)
    later.loc[later["stage"] > 0, "draw"] += 5
    row, _ = only(made(noisy(0.02)), made(later))
    assert float(row.difference.high) > 0  # nothing cancels: they are other draws
    assert row.outcome == "changed"


def test_under_other_settings_of_the_check_scores_need_not_repeat():
    other = {"checks": {CHECK: "Redraw(policy='permute')"}}
    row, comparison = only(made(noisy(0.02)), made(noisy(0.03, seed=1), facts=other))
    assert (row.outcome, comparison.regressed) == ("same", False)
    assert np.isnan(row.moved)


def test_where_other_twins_were_trained_scores_need_not_repeat():
    twins = {"expectations": {CHECK: MEASURED}}
    levels = {"ceiling": 0.9}
    before, after = (made(noisy(0.02, seed=seed, **levels), **twins) for seed in (0, 1))
    assert compare(before, after).rows[0].moved > 0.5
    trained = replace(after, trainings=pd.DataFrame({"network": ["true labels"], "loss": [0.1]}))
    assert np.isnan(compare(before, trained).rows[0].moved)


def test_nothing_in_common_is_refused():
    with pytest.raises(ValueError, match="must share a verdict; there is nothing to compare"):
        compare(made(), made(noisy(0.02, "another")))


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, float("nan")])
def test_a_tolerance_is_a_share(tolerance):
    with pytest.raises(ValueError, match=r"tolerance must lie in \[0, 1\); got"):
        compare(made(), made(), tolerance=tolerance)


def test_an_older_run_is_refused_in_one_line():
    old = made()
    for name in ("expectations", "controls"):
        facts = {key: value for key, value in old.provenance.items() if key != name}
        with pytest.raises(ValueError, match="one that can be compared: it lacks"):
            compare(made(), replace(old, provenance=facts))


def test_signs_and_magnitudes_are_rows_of_their_own():
    sides = [
        made(noisy(0.02), noisy(level, similarity=ABSOLUTE), facts=OTHER_NETWORK if level else {})
        for level in (0.0, 0.6)
    ]
    outcomes = {row.similarity: row.outcome for row in compare(*sides).rows}
    assert outcomes == {SIGNED: "same", ABSOLUTE: "regressed"}


def test_a_similarity_that_decides_has_a_row_although_it_has_no_threshold():
    kept = replace(EXPECTED, expects="keep", decides="closeness", tolerance=1e-3, fixed_draws=True)
    facts = {"expectations": {CHECK: kept}}
    sides = [
        made(scored(similarity="closeness", score=score, null=-0.4), scored(), **facts)
        for score in (0.9999, 0.99)
    ]
    row, comparison = only(*sides)
    assert row.similarity == "closeness"
    assert (row.outcome, row.before, row.after) == ("regressed", "pass", "fail")
    assert comparison.regressed
    assert "closeness -0.0099 [-0.0099, -0.0099]" in row.why


def test_another_tolerance_is_another_question():
    kept = replace(EXPECTED, expects="keep", decides="closeness", tolerance=1e-3)
    table = scored(similarity="closeness", null=-0.4)
    sides = [
        made(table, expectations={CHECK: replace(kept, tolerance=own)}) for own in (1e-3, 1e-2)
    ]
    with pytest.raises(ValueError, match=r"closeness within 0\.001 and .* within 0\.01"):
        compare(*sides)
