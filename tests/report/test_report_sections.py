"""The sections are one list, which three renderers draw."""

import io

import pytest
from rich.console import Console

from saliency_bench.report import page
from saliency_bench.report.blocks import KINDS, Bullets, Grid, Paragraph
from saliency_bench.report.figures.planned import plan_figures
from saliency_bench.report.sections import SECTIONS, Section
from saliency_bench.report.text import markdown, terminal


def a_section(results):
    explainers = results.verdicts["explainer"].nunique()
    yield Paragraph(f"There are {explainers} explainers.")
    yield Bullets(["a first line", "a second line"])
    yield Grid(["what", "how many"], [["explainers", str(explainers)]])


@pytest.fixture
def another():
    """A section more, by one entry."""
    entry = Section("census", "How many there are", a_section)
    SECTIONS.append(entry)
    yield entry
    SECTIONS.remove(entry)


def shown(results):
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(terminal.verdict_table(results, width=110))
    return console.export_text()


def test_a_new_section_is_one_entry(small, another):
    texts = [shown(small), markdown.text(small, []), page.html(small)]
    for text in texts:
        for said in ("There are 6 explainers.", "a first line", "a second line", "how many"):
            assert said in text
    for text in texts[1:]:
        assert another.title in text


def test_every_renderer_draws_every_kind_of_block():
    assert set(terminal._DRAWN) == set(KINDS)
    assert markdown.IN_TABLES | {*markdown._PLAIN, "verdicts", "figures"} == set(KINDS)
    folder = page.files("saliency_bench.report.page")
    drawn = "".join((folder / f"{name}.html.jinja").read_text() for name in ("page", "blocks"))
    assert all(f"{{% macro {kind}(block) %}}" in drawn for kind in KINDS)


def test_sections_keep_their_order_and_an_empty_one_has_no_heading(small):
    text = markdown.text(small, list(plan_figures(small)))
    titles = [section.title for section in SECTIONS if f"# {section.title}\n" in text]
    places = [text.index(f"# {title}\n") for title in titles]
    assert places == sorted(places)
    assert {"Verdicts", "What a verdict means", "How it was run"} <= set(titles)
    assert "Is retained calibrated?" not in titles
    assert "Not applicable" not in titles
    written = page.html(small)
    assert "Is retained calibrated?" not in written
    assert len({section.anchor for section in SECTIONS}) == len(SECTIONS)
