"""What a run answers in one line, and of what."""

from dataclasses import replace

import pandas as pd
import pytest
from helpers.runs import SIMILARITIES, both_of

from saliency_bench.inference.quality import BETTER, NOT_BETTER
from saliency_bench.report.text import answer


def told(results, verdicts):
    """The headline of a run whose explainers have other verdicts."""
    table = results.verdicts.copy()
    for (check, explainer), verdict in verdicts.items():
        rows = (table["check"] == check) & (table["explainer"] == explainer)
        assert rows.any()
        table.loc[rows, "verdict"] = verdict
    return answer.headline(replace(results, verdicts=table))


CHECK = "parameter_randomization"


def test_who_fails_is_one_line(small):
    assert answer.headline(small) == "1 of 2 fail: guided_backprop."
    assert told(small, {(CHECK, "guided_backprop"): "pass"}) == "None of 2 fails."
    assert told(small, {(CHECK, "gradient"): "inconclusive"}) == (
        "1 of 2 fail: guided_backprop. 1 inconclusive: gradient."
    )


def test_what_does_not_apply_does_not_count(small):
    assert told(small, {(CHECK, "gradient"): "not_applicable"}) == "1 of 1 fail: guided_backprop."
    silent = replace(small, verdicts=small.verdicts.assign(verdict=""))
    assert answer.headline(silent) == ""


def test_one_check_is_named_and_several_are_counted(both):
    one, two = both.verdicts["check"].unique()
    everything = {
        (check, explainer): "pass"
        for check in (one, two)
        for explainer in ("gradient", "guided_backprop")
    }
    failed = everything | {(one, "gradient"): "fail"}
    assert told(both, failed) == f"1 of 2 fail a check: gradient ({one})."
    failed |= {(one, "guided_backprop"): "fail", (two, "guided_backprop"): "fail"}
    assert told(both, failed) == (
        f"2 of 2 fail a check: gradient ({one}); guided_backprop (2 of 2 checks)."
    )


def test_of_many_it_says_how_many(make_results):
    names = tuple(f"method_{n:02}" for n in range(answer.NAMED + 3))
    everything = {(CHECK, name): "fail" for name in names}
    assert told(make_results(explainers=names), everything) == (
        f"15 of 15 fail: {', '.join(names[: answer.NAMED])} and 3 more."
    )
    several = both_of(explainers=names, similarities=SIMILARITIES[:2])
    one, two = several.verdicts["check"].unique()
    verdicts = {(check, name): "fail" for check in (one, two) for name in names}
    verdicts |= {(two, name): "pass" for name in names[1:]}
    assert told(several, verdicts) == f"15 of 15 fail a check ({one} 15, {two} 1)."


def test_without_checks_the_metrics_answer(small):
    results = {"a": [BETTER, BETTER], "b": [BETTER, NOT_BETTER], "c": [NOT_BETTER, NOT_BETTER]}
    rows = [
        {"explainer": name, "metric": metric, "verdict": verdict}
        for name, verdicts in results.items()
        for metric, verdict in zip(("m", "n"), verdicts, strict=True)
    ]
    found = replace(small, verdicts=small.verdicts[:0], quality=pd.DataFrame(rows))
    assert answer.headline(found) == (
        "Better than chance by all 2 metrics: 1 of 3 (a). By none: 1 of 3 (c)."
    )


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"model": "cnn", "dataset": "digits"}, "cnn on digits"),
        ({"model": "cnn"}, "cnn"),
        ({}, CHECK),
    ],
)
def test_a_run_is_named_by_what_is_known(small, facts, name):
    assert answer.subject(replace(small, provenance=small.provenance | facts)) == name


def test_facts_that_a_run_lacks_are_left_out(small):
    assert list(answer.facts(small)) == [("checks", CHECK)]
    facts = {
        "model": "cnn", "accuracy": 0.984375, "dataset": "digits", "n_images": 64, "draws": 5,
        "finished": "2026-02-03T04:05:06+00:00",
    }  # fmt: skip
    assert dict(answer.facts(replace(small, provenance=small.provenance | facts))) == {
        "model": "cnn, right on 98% of these images", "data": "digits", "images": "64",
        "checks": CHECK, "draws": "5", "finished": "3 February 2026, 04:05 UTC",
    }  # fmt: skip
