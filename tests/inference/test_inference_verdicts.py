"""Verdicts from synthetic scores whose verdict is known beforehand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.evidence import (
    CHECK,
    DRAWS,
    EXPECTED,
    IMAGES,
    SIGNED,
    STAGES,
    TWINS,
    evidence,
    floored,
    networks,
    scored,
    verdict,
)

from saliency_bench.inference import judge, summarize
from saliency_bench.inference.tables import SUMMARY


def spread(mean):
    """Scores with draw effects of -0.2 to 0.2 around `mean`."""
    return mean + np.linspace(-0.2, 0.2, DRAWS)[:, None]


def test_summary_by_mental_arithmetic():
    # (0.4 - 0.2) / (1 - 0.2) = 1/4 at stage 1, (0.6 - 0.2) / 0.8 = 1/2 at stage 2, 3/8 in all.
    found = summarize(evidence(scored(score=np.array([0.4, 0.6])[:, None, None], null=0.2)))
    assert tuple(found.columns) == SUMMARY
    assert found["stage"].tolist() == [0, 1, 2, -1]
    assert found["retained"].tolist() == pytest.approx([1, 0.25, 0.5, 0.375])
    assert found["mean"].tolist() == pytest.approx([1, 0.4, 0.6, 0.5])
    assert found["repeatability"].tolist() == [1.0] * 4
    assert found["verdict"].tolist() == ["", "", "", "fail"]
    assert found["n_draws"].tolist() == [1, DRAWS, DRAWS, DRAWS]


def test_last_stage_alone_if_the_check_says_so():
    scores = scored(score=np.array([0.4, 0.0])[:, None, None])
    found = verdict(scores, expectations={CHECK: replace(EXPECTED, statistic="last")})
    assert (found["retained"], found["verdict"]) == (0.0, "pass")


def test_order_of_rows_does_not_matter():
    scores = scored(score=np.random.default_rng(0).normal(0.1, 0.1, (STAGES, DRAWS, IMAGES)))
    shuffled = scores.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(summarize(evidence(scores)), summarize(evidence(shuffled)))


def test_floor_is_the_mean_over_draws_and_images_and_the_areas_that_of_the_full_redraw():
    floors = pd.DataFrame({"stage": [1, 1, 2], "image": [0, 1, 0], "floor": [0.2, 0.4, 0.7]})
    floors = floors.assign(check=CHECK, explainer="mine", similarity=SIGNED, draw=0)
    found = summarize(evidence(floors=floors)).set_index("stage")["floor"]
    assert found[[1, 2, -1]].tolist() == pytest.approx([0.3, 0.7, 0.7])
    assert np.isnan(found[0])


def test_without_a_full_redraw_the_area_has_no_floor():
    partly = evidence(floors=floored(0.3, 0.7), networks=networks().assign(destroyed=False))
    found = summarize(partly).set_index("stage")["floor"]
    assert found[[1, 2]].tolist() == [0.3, 0.7]
    assert np.isnan(found[-1])


def test_images_without_a_null_get_the_stages_mean():
    scores = scored(score=0.5, null=0.2)
    complete = summarize(evidence(scores))
    scores.loc[scores["image"] == 0, "null"] = np.nan
    pd.testing.assert_frame_equal(summarize(evidence(scores)), complete)


def test_images_left_out_are_as_if_never_shown():
    rng = np.random.default_rng(1)
    score, status = rng.normal(0.1, 0.1, (STAGES, DRAWS, IMAGES)), np.full(IMAGES, "ok", object)
    status[-3:] = "constant_reference"
    columns = ["mean", "low", "high", "retained", "retained_low", "retained_high"]
    partial = summarize(evidence(scored(score=score, status=status)))
    fewer = summarize(evidence(scored(score=score[..., :-3], images=IMAGES - 3)))
    pd.testing.assert_frame_equal(partial[columns], fewer[columns])
    assert partial["undefined"].iloc[-1] == pytest.approx(3 / IMAGES)


def test_a_stage_weighs_the_same_however_many_pairs_live():
    # Stage 1 retains 0.1 everywhere, stage 2 retains 0.3 in the third of its images that has a map.
    status = np.full((STAGES, 1, IMAGES), "ok", object)
    status[1, :, 4:] = "nan"
    score = np.array([0.1, 0.3])[:, None, None]
    area = summarize(evidence(scored(score=score, status=status))).iloc[-1]
    assert area["retained"] == pytest.approx(0.2)
    assert area["mean"] == pytest.approx(0.2)


def test_a_map_that_died_is_reported_as_null():
    # Half the pairs died: (0.4 + null 0.1) / 2 = 0.25, and (0.25 - 0.1) / (1 - 0.1) = 1/6.
    status = np.where(np.arange(IMAGES) % 2, "died", "ok")
    area = summarize(evidence(scored(score=0.4, null=0.1, status=status))).iloc[-1]
    assert area["mean"] == pytest.approx(0.25)
    assert area["retained"] == pytest.approx(1 / 6)
    assert area["retained"] == pytest.approx((area["mean"] - area["null"]) / (1 - area["null"]))


def test_doubled_rows_are_refused():
    with pytest.raises(ValueError, match="one row"):
        summarize(evidence(scored(), scored()))


@pytest.mark.parametrize(
    "changes", [{"expectations": {}}, {"signed": {}}, {"scores": scored(status="dead")}]
)
def test_evidence_must_be_complete(changes):
    with pytest.raises(ValueError, match="must be one of"):
        summarize(evidence(**changes))


@pytest.mark.parametrize(
    ("score", "expected"), [(0.1, "pass"), (0.2, "fail"), (spread(0.15), "inconclusive")]
)
def test_threshold(score, expected):
    assert verdict(scored(score=score))["verdict"] == expected


def test_fewer_than_three_draws_are_inconclusive():
    found = verdict(scored(draws=2))
    assert found["verdict"] == "inconclusive"
    assert "needs 3 draws, this run has 2" in found["reason"]


@pytest.mark.parametrize(
    ("score", "expected"), [(0.95, "pass"), (0.8, "fail"), (spread(0.9), "inconclusive")]
)
def test_maps_that_must_keep_are_judged_by_their_similarity(score, expected):
    keep = {CHECK: replace(EXPECTED, expects="keep")}
    found = verdict(scored(score=score, null=0.7), expectations=keep)
    assert found["verdict"] == expected


def test_descriptive_checks_give_no_verdict():
    descriptive = replace(EXPECTED, no_verdict="bottom up")
    found = verdict(expectations={CHECK: descriptive}, controls={"mine": "EdgeDetector"})
    assert found["verdict"] == ""
    assert found["reason"].startswith("descriptive: ")
    assert found["ok"]


@pytest.mark.parametrize("status", ["not_applicable", "error"])
def test_failed_explainers_keep_their_status_and_cause(status):
    row = scored(similarity="ssim").iloc[[0]].assign(status=status, condition="no ReLU")
    row[["draw", "image", "score", "null", "ceiling"]] = np.nan
    found = evidence(row)
    summary = summarize(found)
    assert summary[["stage", "verdict"]].values.tolist() == [[-1, status]]
    answer = judge(found, summary).iloc[0]
    assert (answer["verdict"], answer["reason"]) == (status, f"{status}: no ReLU")


UNDEFINED = {
    "not better than chance": {"networks": networks(accuracy=0.1)},
    "a destroyed network is not at chance": {"networks": networks(redrawn=0.4)},
    "0% ok, 0% constant_reference, 0% died, 100% nan": {"scores": scored(status="nan")},
    "no null: it takes 5 images, this run has 4": {"scores": scored(images=4, null=np.nan)},
    "ceiling and null lie too close together to tell": {"scores": scored(score=0.5, null=0.95)},
    "under another seed of its own a map keeps 0.20": {"scores": scored(repeat=0.2)},
}


@pytest.mark.parametrize("cause", UNDEFINED)
def test_undefined_has_its_cause(cause):
    # Right on all four images of the smallest case is still better than chance.
    found = verdict(**{"networks": networks(accuracy=1.0)} | UNDEFINED[cause])
    assert found["verdict"] == "undefined"
    assert cause in found["reason"]


def test_accuracy_is_asked_only_of_labels_and_destroyed_networks():
    unlabelled, partly = networks(accuracy=np.nan, redrawn=np.nan), networks(redrawn=0.9)
    assert verdict(networks=unlabelled, chance=None)["verdict"] == "pass"
    assert verdict(networks=partly.assign(destroyed=False))["verdict"] == "pass"
    assert verdict(networks=partly[:0])["verdict"] == "pass"


def test_verdict_must_not_hang_on_pairs_that_are_not_finite():
    # Left out or as null they pass; half of them counted as ceiling retain 0.5 [0.17, 0.83].
    status = np.where(np.arange(IMAGES) % 2, "ok", "nan")
    found = verdict(scored(score=0.0, status=status))
    assert found["verdict"] == "undefined"
    assert "50% of pairs without a score" in found["reason"]
    # A quarter retains 0.25 [-0.04, 0.54]: that decides nothing, and so nothing is decided.
    status = np.where(np.arange(IMAGES) % 4, "ok", "nan")
    assert verdict(scored(score=0.0, status=status))["verdict"] == "inconclusive"
    assert verdict(scored(score=0.4, status=status))["verdict"] == "fail"


def test_a_constant_reference_says_nothing_and_is_left_out():
    # A map that is blank for a quarter of the images decides by the others.
    status = np.where(np.arange(IMAGES) % 4, "ok", "constant_reference")
    assert verdict(scored(score=0.0, status=status))["verdict"] == "pass"
    assert verdict(scored(score=0.4, status=status))["verdict"] == "fail"


def test_constant_references_may_be_half_of_all_pairs_and_no_more():
    half = np.where(np.arange(IMAGES) < IMAGES / 2, "ok", "constant_reference")
    assert verdict(scored(score=0.0, status=half))["verdict"] == "pass"
    most = np.where(np.arange(IMAGES) < IMAGES / 2 - 1, "ok", "constant_reference")
    found = verdict(scored(score=0.0, status=most))
    assert found["verdict"] == "undefined"
    assert "58% constant_reference" in found["reason"]


def test_a_third_is_asked_of_the_pairs_that_are_not_constant():
    # Of 6 pairs that say something 2 live: a third; then 1 of 6.
    status = np.array(["constant_reference"] * 6 + ["died"] * 4 + ["ok"] * 2, object)
    assert "too few pairs" not in verdict(scored(score=0.0, status=status))["reason"]
    status[-1] = "died"
    assert "too few pairs" in verdict(scored(score=0.0, status=status))["reason"]


def test_pass_by_one_count_and_inconclusive_by_another_is_inconclusive():
    # The living retain .12 on average, too spread to decide; with the dead as null, .06: a pass.
    status = np.where(np.arange(IMAGES) % 2, "died", "ok")
    half = np.broadcast_to(status, (STAGES, DRAWS, IMAGES))
    score = 0.12 + np.linspace(-0.1, 0.1, DRAWS)[:, None]
    found = verdict(scored(score=score, status=half))
    assert found["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("case", "retained", "expected"),
    [
        ("guided backprop on MobileNet, null .75", 0.28, "fail"),
        ("GradCAM on a 56-layer ResNet, null .75", 0.01, "pass"),
    ],
)
def test_a_map_that_repeats_is_asked_for_room_alone(case, retained, expected):
    effects = 0.005 * np.linspace(-1, 1, DRAWS)[:, None]
    score = 0.75 + 0.25 * (retained + effects)
    found = verdict(scored(score=score, null=0.75, repeat=1.0))
    assert found["verdict"] == expected, case
    assert found["retained"] == pytest.approx(retained, abs=1e-6)


@pytest.mark.parametrize(("repeat", "expected"), [(0.99, "fail"), (0.80, "undefined")])
def test_a_map_that_does_not_repeat_must_keep_a_share_of_the_room(repeat, expected):
    # SmoothGrad over guided backprop: .99 at a null of .75 is .96 of the room; .80 is .20 of it.
    found = verdict(scored(score=0.85, null=0.75, repeat=repeat))
    assert found["verdict"] == expected


def test_the_share_of_the_room_is_an_interval():
    # Half of the images keep .9 of the room, half of them none: .45 on average, lower end under .3.
    repeat = np.where(np.arange(IMAGES) % 2, 0.9, 0.0)
    assert verdict(scored(repeat=repeat))["verdict"] == "undefined"
    assert verdict(scored(repeat=0.45))["verdict"] == "pass"


def test_maps_invariant_to_everything_fail_beyond_doubt_only():
    effects = np.linspace(-0.1, 0.1, DRAWS)[:, None]
    assert verdict(scored(score=0.98, null=0.95))["verdict"] == "fail"
    assert verdict(scored(score=0.92 + effects, null=0.95))["verdict"] == "undefined"


def test_verdict_must_not_hang_on_maps_that_died():
    # The living third retains 0.2, above the line; all together 0.07 [0.00, 0.13], below it.
    status = np.where(np.arange(IMAGES) % 3, "died", "ok")
    most = np.broadcast_to(status, (STAGES, DRAWS, IMAGES))
    assert verdict(scored(score=0.2, status=most))["verdict"] == "undefined"
    assert verdict(scored(score=0.02, status=most))["verdict"] == "pass"


def test_twins_that_disagree_are_no_sign_of_invariance():
    found = verdict(scored(score=0.01, ceiling=0.02), expectations=TWINS)
    assert found["verdict"] == "undefined"
