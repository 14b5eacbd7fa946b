"""Names that control a terminal or a page, at every door of a report."""

import base64
import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from saliency_bench.protocols import printable
from saliency_bench.report import page, view
from saliency_bench.report.figures.planned import plan_figures
from saliency_bench.report.text import latex, markdown, terminal
from saliency_bench.report.text.console import Console, tell

CONTROLS = "\x1b]0;t\x07\x1b[31mred\nline\rback\x00nul\x9b1mc1\u202egpj\u2066x\u2028end"
NAMES = [f"{kind}{CONTROLS}" for kind in ("explainer", "similarity", "check")]


@pytest.fixture(scope="module")
def results(make_results):
    explainer, similarity, check = NAMES
    found = make_results(explainers=(explainer,), similarities=(similarity,), check=check)
    facts = {"model": f"net{CONTROLS}", "command": f"python {CONTROLS}"}
    return replace(found, provenance=found.provenance | facts)


def require_harmless(text):
    assert text.replace("\n", "").isprintable(), sorted(
        {character for character in text if not character.isprintable()}
    )


def test_on_a_terminal(results):
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    console.print(terminal.verdict_table(results, width=200))
    tell(console, f"report: {CONTROLS}")
    require_harmless(shown.getvalue())
    assert r"\x1b[31mred" in shown.getvalue()
    assert shown.getvalue().splitlines()[-1] == "report: " + printable(CONTROLS)


def test_in_markdown(results):
    plans = list(plan_figures(results))
    text = markdown.text(results, plans)
    require_harmless(text)
    (row,) = (line for line in text.splitlines() if line.startswith(r"| explainer\\x1b"))
    assert row.count(" | ") == 3


def test_in_latex_with_a_label_of_safe_letters(results):
    (check,) = view.ran(results)
    for text in (latex.latex(results, check), latex.text(results, check)):
        require_harmless(text)
    (label,) = re.findall(r"\\label\{(.*)\}", latex.latex(results, check))
    assert re.fullmatch(r"tab:[A-Za-z0-9._-]+", label)


def test_on_the_page_and_in_its_figures(results):
    text = page.html(results)
    require_harmless(text)
    figures = re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", text)
    assert figures
    for figure in figures:
        drawn = base64.b64decode(figure).decode()
        ElementTree.fromstring(drawn)
        require_harmless(drawn)
