"""The overall verdict: controls, the primary similarity and those that disagree with it."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
from helpers import evidence as helpers
from helpers.evidence import (
    ABSOLUTE,
    SIGNED,
    evidence,
    floored,
    scored,
    verdict,
    verdicts,
)

from saliency_bench.inference import false_verdicts, judge, problems, summarize, tables
from saliency_bench.inference.tables import VERDICTS

CONTROLS = {
    "edge_detector": ("fail", {"score": 1.0, "null": 0.3}),
    "random_frozen": ("fail", {"score": 1.0}),
    "centre_prior": ("fail", {"score": 1.0, "null": 1.0}),
    "weight_hash": ("pass", {"score": 0.001}),
    "constant": ("undefined", {"status": "constant_reference", "null": np.nan}),
    "random_fresh": ("undefined", {"score": 0.001, "repeat": 0.001}),
}
PANEL = [scored(name, **settings) for name, (_, settings) in CONTROLS.items()]
EXPECTED = {name: expected for name, (expected, _) in CONTROLS.items()}
KINDS = {name: "".join(map(str.capitalize, name.split("_"))) for name in CONTROLS}


def test_every_control_gets_its_verdict():
    found = verdicts(*PANEL, controls=KINDS)
    assert tuple(found.columns) == VERDICTS
    assert dict(zip(found["explainer"], found["verdict"], strict=True)) == EXPECTED
    assert problems(found) == ()


def test_a_control_with_another_verdict_is_a_problem():
    (line,) = problems(verdicts(scored("edge_detector"), controls=KINDS))
    assert line.startswith("redraw: control edge_detector must be fail, got pass (retained 0.02")


def test_a_cause_that_controls_share_is_told_once():
    found = verdicts(*PANEL, controls=KINDS)
    found[["verdict", "reason", "ok"]] = ["undefined", "the network guesses", False]
    assert problems(found) == (
        "redraw: controls edge_detector, random_frozen, centre_prior must be fail and weight_hash "
        "must be pass and constant, random_fresh must be undefined, got undefined (the network "
        "guesses)",
    )


def test_a_control_must_get_what_the_check_says_and_nothing_where_it_says_nothing():
    table = scored("weight_hash", score=1.0)
    found = verdict(table, controls=KINDS)
    assert (found["verdict"], found["control"], found["ok"]) == ("fail", "pass", False)
    silent = replace(helpers.EXPECTED, controls={"EdgeDetector": "fail"})
    found = verdict(table, controls=KINDS, expectations={helpers.CHECK: silent})
    assert (found["verdict"], found["control"], found["ok"]) == ("fail", "", True)


def test_primary_is_signed_if_the_explainer_is():
    both = scored(), scored(similarity=ABSOLUTE)
    assert verdict(*both)["similarity"] == SIGNED
    assert verdict(*both, signed={"mine": False})["similarity"] == ABSOLUTE


def test_without_the_primary_the_first_with_a_threshold_speaks():
    tables = scored(similarity="ssim"), scored(similarity=ABSOLUTE)
    assert verdict(*tables)["similarity"] == ABSOLUTE
    alone = verdict(tables[0])
    assert (alone["similarity"], alone["verdict"]) == ("none", "")


def test_disagreement_is_printed_with_the_floor():
    floors = floored(0.84, 0.84, similarity=ABSOLUTE)
    found = verdict(scored(), scored(similarity=ABSOLUTE, score=0.85), floors=floors)
    assert found["verdict"] == "pass"
    assert found["reason"].endswith(
        "sign: pass, magnitude: fail, and the magnitude is what two unrelated networks share: "
        "floor 0.84"
    )


@pytest.mark.parametrize(
    ("cause", "score", "floors", "null"),
    [
        ("two draws of stage 1 share layers", [0.8, 0.8], [0.84, 0.5], 0.0),
        ("only stage 1 scores as low as the floor", [0.2, 0.8], [0.5, 0.5], 0.0),
        ("unrelated images share as much", [0.5, 0.5], [0.5, 0.5], 0.45),
        ("no floor is known", [0.8, 0.8], [np.nan, np.nan], 0.0),
    ],
)
def test_what_two_unrelated_networks_do_not_share_is_not_said_to_be(cause, score, floors, null):
    kept = scored(similarity=ABSOLUTE, score=np.array(score)[:, None, None], null=null)
    # Whatever is left above the null fails here.
    lines = {SIGNED: 0.15, ABSOLUTE: 0.05}
    found = verdict(scored(), kept, thresholds=lines, floors=floored(*floors, similarity=ABSOLUTE))
    assert found["reason"].endswith("sign: pass, magnitude: fail"), cause


def test_maps_without_a_sign_get_no_verdict_on_it():
    both = scored(score=0.8), scored(similarity=ABSOLUTE)
    found = evidence(*both, signed={"mine": False}, controls={"mine": "WeightHash"})
    summary = summarize(found)
    areas = summary[summary["stage"] == -1]
    assert dict(zip(areas["similarity"], areas["verdict"], strict=True)) == {
        SIGNED: "", ABSOLUTE: "pass",
    }  # fmt: skip
    assert "0 decisions" in false_verdicts(judge(found, summary), found.controls)
    answer = judge(found, summary).iloc[0]
    assert (answer["similarity"], answer["verdict"], answer["ok"]) == (ABSOLUTE, "pass", True)
    assert "sign" not in answer["reason"]


def test_maps_without_a_sign_are_judged_by_whatever_else_has_a_threshold():
    lines, unsigned = {SIGNED: 0.15, "ssim": 0.2}, {"mine": False}
    tables = scored(), scored(similarity="ssim")
    assert verdict(*tables, thresholds=lines, signed=unsigned)["similarity"] == "ssim"
    alone = verdict(tables[0], signed=unsigned)
    assert (alone["verdict"], alone["reason"]) == ("", "descriptive: the map has no sign")


def test_expected_false_verdicts():
    # Forty decisions at 2.5 % each: correlated similarities and controls are none.
    tables = [scored(f"e{i}", name) for i in range(40) for name in (SIGNED, ABSOLUTE)]
    found = evidence(*tables, *PANEL, controls=KINDS)
    text = false_verdicts(judge(found, summarize(found)), found.controls)
    assert text.startswith("40 decisions (explainers: 40, checks: 1;")
    assert "nominally at most 2.5% (more at 3 draws" in text
    assert "at most about 1.0 false" in text


def test_the_pairs_of_one_explainer_are_in_memory_at_a_time(monkeypatch):
    seen = []

    def watched(*asked):
        for case in cases(*asked):
            assert sum(earlier() is not None for earlier in seen) <= 1
            seen.append(weakref.ref(case))
            yield case

    cases = tables.cases
    monkeypatch.setattr(tables, "cases", watched)
    found = summarize(evidence(*(scored(f"explainer {number}") for number in range(9))))
    assert len(seen) == found["explainer"].nunique() == 9
