"""The reliability of the scores in the report."""

import io
from dataclasses import replace

import pytest
from helpers.evidence import CHECK, EXPECTED, SIGNED, scored
from helpers.runs import made, noisy
from rich.console import Console

from saliency_bench.report import page
from saliency_bench.report.text import markdown, reliability, terminal

TITLE = "How reliable are the scores?"


@pytest.fixture(scope="module")
def run():
    """Two explainers that every image orders alike, and a control that fails as it must."""
    edge = scored("edge_detector", score=1.0)
    return made(
        noisy(0.02, "low"), noisy(0.6, "high"), edge, controls={"edge_detector": "EdgeDetector"}
    )


def test_a_row_per_check_and_similarity(run):
    _, title, grid, _ = reliability.blocks(run)
    assert title.text == f"{CHECK}, repeated over draws:"
    (cells,) = grid.rows
    told = dict(zip(grid.head, cells, strict=True))
    assert (told["similarity"], told["alpha"]) == (SIGNED, "1.00")
    assert (told["explainers"], told["images"], told["draws"]) == ("2", "12", "5")
    assert told["right on controls"] == "1 of 1"


def test_page_and_markdown_have_the_section_and_the_terminal_stays_short(run):
    for text in (markdown.text(run, []), page.html(run)):
        assert TITLE in text
        assert "right on controls" in text
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(terminal.verdict_table(run, width=110))
    assert "alpha" not in console.export_text()


def test_undefined_numbers_are_dashes():
    (cells,) = list(reliability.blocks(made()))[2].rows
    assert cells[1:] == ["1", "12", "-", "5", "-", "-", "-"]


def test_draws_that_are_given_are_not_said_to_be_drawn():
    given = {CHECK: replace(EXPECTED, fixed_draws=True)}
    title = list(reliability.blocks(made(expectations=given)))[1]
    assert "given and not drawn" in title.text


def test_a_run_of_an_older_version_has_no_section(small):
    assert small.reliability.empty
    assert list(reliability.blocks(small)) == []
