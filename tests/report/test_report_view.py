"""Names, numbers and rows of a run, by hand."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from saliency_bench.report import view
from saliency_bench.report.figures import style
from saliency_bench.report.text.terminal import verdict_table
from saliency_bench.results import Results

CHECK = "parameter_randomization"


def shown(results: Results, width: int = 100) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(verdict_table(results))
    return console.export_text()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.126, "0.13"), (-0.001, "0.00"), (-0.5, "-0.50"), (np.nan, "-"), (np.inf, "-")],
)
def test_number_has_two_decimals_or_a_dash(value, text):
    assert view.number(value) == text


def test_interval_without_bounds_is_its_value():
    assert view.interval(0.5, 0.25, 0.75) == "0.50 [0.25, 0.75]"
    assert view.interval(0.5, np.nan, np.nan) == "0.50"


def test_stages_are_named_and_start_untouched(small):
    names = view.stage_names(small, CHECK)
    assert names == {0: "untouched", 1: "dense", 2: "conv_3", 3: "conv_2", 4: "conv_1"}


def test_controls_come_last_and_what_never_ran_is_left_out(small):
    gone = (small.summary["explainer"] == "gradient") & (small.summary["stage"] > 0)
    table = view.curves(replace(small, summary=small.summary[~gone]), CHECK, "spearman_abs")
    assert list(table) == [
        "guided_backprop", "edge_detector", "random_frozen", "weight_hash", "constant"
    ]  # fmt: skip


def test_primary_is_starred_and_disagreement_marked(small):
    summary = small.summary.copy()
    other = (
        (summary["explainer"] == "gradient")
        & (summary["similarity"] == "spearman_abs")
        & (summary["stage"] == -1)
    )
    summary.loc[other, ["verdict", "retained"]] = ["fail", 0.84]
    row = view.verdict_rows(replace(small, summary=summary), CHECK)[0]
    assert row.explainer == "gradient"
    assert row.others[0].endswith("*")
    assert row.others[1] == "0.84!"
    assert row.disagrees


def test_control_stays_one_where_no_verdict_is_due(small):
    other = small.verdicts.assign(check="another", control="", ok=True)
    expectations = dict.fromkeys((CHECK, "another"), small.provenance["expectations"][CHECK])
    both = replace(
        small,
        verdicts=pd.concat([small.verdicts, other]),
        provenance={**small.provenance, "expectations": expectations},
    )
    row = next(r for r in view.verdict_rows(both, "another") if r.explainer == "weight_hash")
    assert row.control
    assert row.expected == ""


def test_equal_reasons_are_told_once(small):
    rows = [replace(row, reason="why") for row in view.verdict_rows(small, CHECK)]
    assert view.reasons(rows) == {"why": [row.explainer for row in rows]}


def test_table_fits_the_terminal_with_many_of_all(make_results):
    names = tuple(f"integrated_gradie_{i:02d}" for i in range(15))
    text = shown(make_results(explainers=names))
    assert max(map(len, text.splitlines())) <= 100
    for name in names:
        assert name in text


def test_table_says_what_a_pass_means_and_whether_the_run_is_valid(small):
    text = shown(small)
    said = "necessary, not sufficient: a pass says that the map depends on the network's weights"
    assert said in text
    assert "valid: 4 of 4 controls" in text
    assert "fail, ok" in text
    assert "controls: must pass" in text


def test_run_without_controls_says_so(make_results):
    text = shown(make_results(explainers=("gradient",), controls=False))
    assert "no control ran" in text


def test_run_without_any_threshold_says_why_no_control_was_checked(small):
    why = "descriptive: no similarity that was run has a threshold"
    verdicts = small.verdicts.assign(verdict="", control="", ok=True, reason=why)
    text = " ".join(shown(replace(small, verdicts=verdicts)).split())
    assert f"no verdict was given, to controls neither ({why})" in text
    assert "no control ran" not in text


def test_repr_is_one_short_line(small):
    counts = "verdicts: pass 2, fail 3, undefined 1"
    assert repr(small) == f"Results(checks: 1; explainers: 6; valid; {counts})"
    silent = replace(small, verdicts=small.verdicts.assign(verdict=""), problems=("a", "b"))
    assert repr(silent) == (
        "Results(checks: 1; explainers: 6; NOT valid, problems: 2; verdicts: none 6)"
    )


def test_invalid_run_says_so_and_why(small):
    assert "NOT valid" in (text := shown(replace(small, problems=("constant passed",))))
    assert "constant passed" in text


def test_control_with_another_verdict_is_wrong(small):
    verdicts = small.verdicts.copy()
    verdicts.loc[verdicts["explainer"] == "weight_hash", ["verdict", "ok"]] = ["fail", False]
    assert "fail, WRONG" in shown(replace(small, verdicts=verdicts))


def test_brackets_in_a_name_are_no_markup(make_results):
    assert "[red]mine[/red]" in shown(make_results(explainers=("[red]mine[/red]",)))


@pytest.mark.parametrize(("count", "room"), [(1, 5), (2, 2), (5, 10), (29, 11), (56, 12), (9, 0)])
def test_thinned_keeps_both_ends_in_equal_steps_and_fits(count, room):
    kept = style.thinned(count, room)
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert len(kept) <= max(room, 2)
    assert len(set(np.diff(kept)[:-1])) <= 1
    assert not np.diff(kept).size or np.diff(kept)[-1] >= np.diff(kept)[0]


def test_few_stages_are_all_labelled():
    assert style.thinned(5, 11) == [0, 1, 2, 3, 4]


def test_spread_fills_the_room():
    assert style.spread(9, 5) == [0, 2, 4, 6, 8]
    assert style.spread(3, 8) == [0, 1, 2]


def test_long_name_keeps_both_ends():
    assert style.shortened("block_3_depthwise_conv", 11) == "block…_conv"


def test_dollars_are_no_formula():
    assert style.shortened("a$b$", 10) == r"a\$b\$"


def test_name_is_wrapped_after_underscores():
    assert style.wrapped("block_3_depthwise_conv", 10) == "block_3_\ndepthwise_\nconv"
    assert all(len(line) <= 6 for line in style.wrapped("x" * 50 + "_y", 6).split("\n"))
