"""Verdicts stated beforehand, for all checks or by check, against those that came out."""

from types import SimpleNamespace

import pandas as pd
import pytest

from saliency_bench.cli import expected
from saliency_bench.protocols import AREA

CHECKS = ("weights", "labels")


def results(verdicts):
    """As much of a run as is asked: `{check: verdict of "mine"}`."""
    rows = [(check, "mine", "rank", AREA, verdict) for check, verdict in verdicts.items()]
    summary = pd.DataFrame(rows, columns=["check", "explainer", "similarity", "stage", "verdict"])
    return SimpleNamespace(
        summary=summary, provenance={"explainers": {"mine": ""}, "not_applicable": {}}
    )


def test_what_is_stated_without_a_check_holds_for_every_check():
    stated = {"mine": {"rank": "pass"}}
    found = expected.surprises(results({"weights": "pass", "labels": "fail"}), stated)
    assert list(found) == ["mine was expected to be pass on rank; it is fail under labels"]


def test_what_is_stated_by_check_holds_for_that_one():
    stated = {"weights": {"mine": {"rank": "pass"}}, "labels": {"mine": {"rank": "fail"}}}
    assert not list(expected.surprises(results({"weights": "pass", "labels": "fail"}), stated))
    found = list(expected.surprises(results({"weights": "fail", "labels": "fail"}), stated))
    assert found == ["mine was expected to be pass on rank; it is fail under weights"]


def test_with_one_check_its_name_is_left_out():
    (line,) = expected.surprises(results({"weights": "fail"}), {"mine": {"rank": "pass"}})
    assert line == "mine was expected to be pass on rank; it is fail"


def test_a_method_that_applies_though_it_should_not_is_told():
    (line,) = expected.surprises(results({"weights": "fail"}), {"mine": "not_applicable"})
    assert line == "mine was expected not to apply to this model; it does"


def test_what_is_no_verdict_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"expected\.labels\.mine\.rank must be one of .* 'good'"):
        expected.check({"labels": {"mine": {"rank": "good"}}}, CHECKS)
