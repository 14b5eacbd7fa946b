"""What a notebook shows of results: every verdict in words and a mark, escaped, and the report."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.pages import HOSTILE, Page

from saliency_bench.report import view
from saliency_bench.report.page.content import MARKS
from saliency_bench.results import Results


def shown(results):
    return Page(results._repr_html_())


def test_it_says_validity_first_and_then_every_verdict_with_its_mark(both):
    text = shown(both).text
    assert text.startswith("✓ valid. The run is valid" if both.valid else "✗ NOT valid.")
    for check in view.ran(both):
        assert check in text
        for row in view.verdict_rows(both, check):
            numbers = "" if row.retained == "-" else row.retained
            assert f"{MARKS.get(row.verdict, '-')} {row.outcome} {numbers}".strip() in text
    assert "necessary, not sufficient" in text


def test_controls_stand_apart(both):
    found = shown(both)
    tested, controls = re.findall(r"<tbody>(.*?)</tbody>", both._repr_html_(), re.DOTALL)
    assert len(found.of("details")) == 1
    for name in view.controls(both):
        assert f">{name}<" in controls
        assert f">{name}<" not in tested


def test_a_run_that_is_not_valid_says_so_and_why(small):
    broken = replace(small, problems=("edge_detector passes",), guards=("check: no luck",))
    text = shown(broken).text
    assert text.startswith("✗ NOT valid.")
    assert "edge_detector passes" in text
    assert "check: no luck" in text


def test_names_are_escaped_and_nothing_of_it_is_alive(make_results):
    results = make_results(explainers=(HOSTILE, "with\x1b[31mcodes"), similarities=("ssim",))
    found = shown(results)
    assert {tag for tag, _ in found.tags} <= {
        "div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "br", "small",
        "details", "summary", "ul", "li",
    }  # fmt: skip
    assert "<script>alert(1)</script>" in found.text
    assert "\x1b" not in results._repr_html_()
    assert all(name in ("style", "scope") for _, attrs in found.tags for name in attrs)


def test_it_is_small(both):
    assert len(both._repr_html_()) < 20_000


def test_the_report_is_linked_once_it_is_written(small, tmp_path, monkeypatch, without_figures):
    results = replace(small)
    assert shown(results).of("a") == []
    assert results.page is None
    monkeypatch.chdir(tmp_path)
    results.report("a run/<mine>")
    (link,) = shown(results).of("a")
    assert link["href"] == "a%20run/%3Cmine%3E/report.html"
    assert "report: a run/<mine>/report.html" in shown(results).text
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    results.report(tmp_path / "other")
    (link,) = shown(results).of("a")
    assert link["href"] == (tmp_path / "other" / "report.html").as_uri()


def test_results_that_are_changed_have_no_report(small, tmp_path, without_figures):
    results = replace(small)
    results.report(tmp_path)
    assert results.page == tmp_path / "report.html"
    assert replace(results, problems=("a control fails",)).page is None


def test_a_run_that_is_read_back_links_the_report_in_its_folder(
    small, tmp_path, monkeypatch, without_figures
):
    replace(small).report(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    loaded = Results.load("run")
    assert loaded.page == Path("run/report.html")
    assert shown(loaded).of("a") == [{"href": "run/report.html"}]
    loaded.page.unlink()
    assert loaded.page is None


@pytest.mark.parametrize("name", ["both", "twins", "small"])
def test_marks_are_not_colours(name, request):
    html = request.getfixturevalue(name)._repr_html_()
    assert "color" not in html
    assert any(mark in html for mark in MARKS.values())
