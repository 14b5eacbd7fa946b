"""The reliability of the scores in the report."""

import io

import pytest
from helpers.evidence import CHECK, SIGNED, scored
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
    _, grid, _ = reliability.blocks(run)
    (cells,) = grid.rows
    told = dict(zip(grid.head, cells, strict=True))
    assert (told["check"], told["similarity"], told["alpha"]) == (CHECK, SIGNED, "1.00")
    assert (told["explainers"], told["images"], told["draws"]) == ("2", "12", "5 draws")
    assert told["right on controls"] == "1 of 1"


def test_page_and_markdown_have_the_section_and_the_terminal_stays_short(run):
    for text in (markdown.text(run, []), page.html(run)):
        assert TITLE in text
        assert "right on controls" in text
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(terminal.verdict_table(run, width=110))
    assert "alpha" not in console.export_text()


def test_undefined_numbers_are_dashes():
    (cells,) = list(reliability.blocks(made()))[1].rows
    assert cells[2:] == ["1", "12", "-", "5 draws", "-", "-", "-"]


def test_a_run_of_an_older_version_has_no_section(small):
    assert small.reliability.empty
    assert list(reliability.blocks(small)) == []
