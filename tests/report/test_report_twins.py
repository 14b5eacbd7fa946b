"""What is said of a check with retrained twins, and of two checks in one run."""

from __future__ import annotations

import io
from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from saliency_bench.report import view
from saliency_bench.report.figures.planned import plan_figures
from saliency_bench.report.text import markdown, sentences
from saliency_bench.report.text.terminal import verdict_table
from saliency_bench.report.write import write
from saliency_bench.results.read import read
from saliency_bench.storage.longtable import LongTable

PARAMETERS, LABELS = "parameter_randomization", "data_randomization"
SIGNED_RANK = "spearman_signed"
GUARD = f"{LABELS}: permuted labels 1 learned 0.62 of its training labels, 0.95 is asked for"
REASON = "it needs the training data, and there is none"


def shown(results, width=110):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(verdict_table(results, width=width))
    return console.export_text()


def with_facts(results, **facts):
    return replace(results, provenance={**results.provenance, **facts})


def guarded(results):
    told = {**results.provenance["expectations"]}
    told[LABELS] = {**told[LABELS], "guards": [GUARD]}
    return replace(with_facts(results, expectations=told), guards=(GUARD,))


def refusing(results):
    """The run as it is where no network can be trained."""
    lost = results.verdicts["check"] == LABELS
    verdicts = results.verdicts.copy()
    verdicts.loc[lost, ["verdict", "reason", "control"]] = ["not_applicable", REASON, ""]
    ran = {
        name: getattr(results, name).query("check != @LABELS")
        for name in ("scores", "floors", "networks", "summary")
    }
    ran |= {f"long_{name}": LongTable.of(ran.pop(name)) for name in ("scores", "floors")}
    facts = with_facts(results, checks_not_applicable={LABELS: REASON})
    return replace(facts, verdicts=verdicts, **ran)


def test_a_run_of_twins_does_not_speak_of_an_area(twins):
    text = markdown.text(twins, plan_figures(twins))
    for word in (" area", "cascade", "redrawn"):
        assert word not in text.split("## How it was run")[0]
        assert word not in " ".join(sentences.reading(twins))
    assert "stage -1 is the last stage" in text
    assert "trainings.csv" in text


def test_both_statistics_are_told_apart(both):
    text = " ".join(sentences.reading(both))
    assert "stage -1 is the area over the stages or, by check, the last stage" in text
    assert "The null is what two maps score that share nothing" in text
    assert f"{LABELS}: Networks are trained anew" in text


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("small", "a pass says that the map depends on the network's weights, not"),
        ("twins", "a pass says that the map depends on the labels that the network"),
        ("both", "a pass in both says that the map depends on the network's weights, and that"),
    ],
)
def test_a_pass_is_necessary_not_sufficient(run, words, request):
    results = request.getfixturevalue(run)
    assert sentences.necessary(results).startswith(f"necessary, not sufficient: {words}")
    assert " ".join(shown(results).split()).count("necessary, not sufficient") == 1


@pytest.mark.parametrize("width", [80, 92, 110])
def test_table_of_two_checks_fits_and_opens_with_both_verdicts(both, width):
    lines = shown(both, width).splitlines()
    assert max(map(len, map(str.rstrip, lines))) <= width
    assert lines[0].startswith("all checks")
    first = next(line for line in lines if line.startswith("gradient "))
    assert first.split().count("pass") == 2
    assert any(line.startswith(PARAMETERS) for line in lines)


def test_wide_table_has_retained_beside_the_verdicts(both):
    first = next(line for line in shown(both, 110).splitlines() if line.startswith("gradient "))
    for check in (PARAMETERS, LABELS):
        (row, *_) = view.verdict_rows(both, check)
        assert row.retained in first


def test_report_opens_its_verdicts_with_both_checks(both):
    text = markdown.text(both, [])
    part = text.split("### All checks")[1].split("###")[0]
    line = next(line for line in part.splitlines() if line.startswith("| gradient |"))
    assert line.count("pass") == 2
    assert "| weight_hash | pass, ok |" in part
    assert text.index("### All checks") < text.index(f"### {PARAMETERS}")


def test_explainer_missing_under_a_check_has_a_dash(both):
    gone = (both.verdicts["check"] == LABELS) & (both.verdicts["explainer"] == "gradient")
    results = replace(both, verdicts=both.verdicts[~gone])
    assert view.side_by_side(results)["gradient"][1] is None
    assert "pass" in shown(results)
    assert " | - | - |" in markdown.text(results, [])


def test_failed_guard_takes_the_verdicts_of_its_check_only(both):
    results = guarded(both)
    assert not results.valid
    assert sentences.validity(results) == (
        f"A guard failed: every verdict of {LABELS} is undefined. The other verdicts stand: 4 of 4 "
        "controls got the verdict they must get."
    )
    assert shown(results).startswith(f"guard failed: {LABELS}")
    assert "failed guards: 1" in repr(results)


def test_report_opens_with_the_guards_that_failed(twins):
    _, facts, first, line, state, *_ = markdown.text(guarded(twins), []).split("\n\n")
    assert facts.startswith("checks: ")
    assert first == "**Guards that failed:**"
    assert line == f"- {GUARD}"
    assert state == f"**A guard failed: every verdict of {LABELS} is undefined.**"


def test_failed_control_beside_a_failed_guard_makes_the_run_invalid(both):
    results = replace(guarded(both), problems=("constant passed",))
    assert "NOT valid" in sentences.validity(results)
    opening = markdown.text(results, []).split("## Verdicts")[0]
    assert opening.index(GUARD) < opening.index("NOT valid") < opening.index("constant passed")


def test_check_that_could_not_run_is_a_sentence_with_its_reason(both):
    results = refusing(both)
    sentence = f"{LABELS} was not run: {REASON}."
    assert sentence in shown(results)
    text = markdown.text(results, plan_figures(results))
    assert f"- {sentence}\n\n" in text
    assert "All checks" not in text
    assert f"| {LABELS} |" not in text
    assert not [plan for plan in plan_figures(results) if LABELS in plan.stem]
    assert "4 of 4 controls" in sentences.validity(results)


def test_warnings_and_notes_are_shown(twins):
    results = with_facts(twins, warnings=["dropout hinders memorizing"], notes=["one class"])
    for text in (shown(results), markdown.text(results, [])):
        assert "warning: dropout hinders memorizing" in text
        assert "note: one class" in text


def test_networks_are_listed_with_what_they_learned(twins):
    part = markdown.text(twins, []).split("## The networks\n")[1].split("##")[0]
    assert "| true labels 0 | 8 | 0.99 | 0.97 |" in part
    assert "| permuted labels 2 | 30 | 0.97 | 0.12 |" in part
    assert "Chance is 0.25 there" in part


def test_what_is_asked_of_networks_is_read_from_the_check(twins, small):
    assert view.expectation(twins, LABELS).learned == 0.95
    assert view.expectation(small, PARAMETERS).learned is None


def test_known_doses_are_drawn_and_told_where_weights_are_redrawn(both):
    results = with_facts(both, doses={"gradient": 0.5}, thresholds={"spearman_signed": 0.15})
    drawn = [plan for plan in plan_figures(results) if plan.stem.startswith("doses")]
    assert [plan.stem for plan in drawn] == [f"doses_{PARAMETERS}"]
    assert PARAMETERS in drawn[0].caption
    assert isinstance(drawn[0].draw(), Figure)
    text = markdown.text(results, [])
    assert f"## Is retained calibrated?\n\n- {PARAMETERS}, spearman_signed: retained" in text
    assert "calibrated" not in markdown.text(both, [])
    unjudged = with_facts(both, doses={"gradient": 0.5}, thresholds={"ssim": None})
    assert "calibrated" not in markdown.text(unjudged, [])


# ---------------------------------------------------------------- files


def test_trainings_and_guards_read_back(twins, tmp_path):
    lean = replace(guarded(twins), examples=None, summary=twins.summary[:0])
    write(lean, tmp_path)
    found = read(tmp_path)
    assert found.guards == (GUARD,)
    assert not found.valid
    columns = list(twins.trainings.columns)
    pd.testing.assert_frame_equal(found.trainings[columns], twins.trainings)
    assert view.expectation(found, LABELS) == view.expectation(lean, LABELS)


def test_run_that_trained_nothing_has_no_table_of_it(small, tmp_path):
    lean = replace(small, examples=None, summary=small.summary[:0])
    write(lean, tmp_path)
    assert not (tmp_path / "trainings.csv").exists()
    found = read(tmp_path)
    assert found.trainings.empty
    assert found.valid
