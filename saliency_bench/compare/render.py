"""Shows a comparison in the terminal, in Markdown and as JUnit XML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from xml.etree import ElementTree

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table

from saliency_bench.compare.decide import EXCEPTIONS
from saliency_bench.compare.rows import Comparison, Row
from saliency_bench.inference import Interval
from saliency_bench.protocols import printable
from saliency_bench.report import view
from saliency_bench.report.text.console import shown
from saliency_bench.report.text.markup import escape, table

_COLOURS = {"regressed": "bold red", "missing": "bold red", "changed": "red", "improved": "green"}

_HEAD = ("explainer", "similarity", "baseline [95 %]", "run [95 %]", "difference [all 95 %]", "")


def conclusion(comparison: Comparison) -> str:
    """The result in one line."""
    counts = Counter(row.outcome for row in comparison.rows)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    state = "the run is not valid" if comparison.problems else ""
    rows = f"{len(comparison.failures)} of {len(comparison.rows)} rows" * bool(comparison.failures)
    why = " and ".join(filter(None, (state, rows)))
    return f"REGRESSED: {why} ({outcomes})" if comparison.regressed else f"SAME ({outcomes})"


def lines(comparison: Comparison) -> Iterator[str]:
    """Lines beside the table: reasons, and what differs between the two sides."""
    yield from (f"the run is not valid: {problem}" for problem in comparison.problems)
    for row in comparison.rows:
        if row.why:
            yield f"{row.check}, {row.explainer}, {row.similarity}: {row.outcome}: {row.why}"
    if comparison.study:
        differing = ", ".join(comparison.study)
        yield f"different studies ({differing} differ): single scores are not compared"
    elif not any(row.moved > EXCEPTIONS for row in comparison.rows):
        yield "one study: the same weights, images and draws gave the same scores again"
    yield from (f"setting {line}" for line in comparison.settings)


def terminal(comparison: Comparison, width: int) -> Group:
    """A table per check, the reasons, then the result.

    Args:
        comparison: to show.
        width: columns of the terminal; a table that is wider becomes a line per row.
    """
    style = "bold red" if comparison.regressed else "bold green"
    tables = [
        _table(check, list(rows)) for check, rows in groupby(comparison.rows, lambda r: r.check)
    ]
    console = Console(width=1000)
    if (
        max((Measurement.get(console, console.options, t).maximum for t in tables), default=0)
        > width
    ):
        drawn: list[RenderableType] = [
            shown(" | ".join([row.check, *_cells(row)])) for row in comparison.rows
        ]
    else:
        drawn = [*tables]
    reasons = [shown(line) for line in lines(comparison)]
    return Group(*drawn, *reasons, shown(conclusion(comparison), style=style))


def text(comparison: Comparison) -> str:
    """The comparison in Markdown, e.g. for the summary of a CI job."""
    parts = [f"**{escape(conclusion(comparison))}**"]
    for check, rows in groupby(comparison.rows, lambda row: row.check):
        parts += [f"### {escape(check)}", table(_HEAD, map(_cells, rows))]
    parts.append("\n".join(f"* {escape(line)}" for line in lines(comparison)))
    return "\n\n".join(parts) + "\n"


def junit(comparison: Comparison) -> bytes:
    """The comparison as JUnit XML: a test case per row, and one for the validity of the run."""
    suites = ElementTree.Element("testsuites", name="saliency_bench.compare")
    failures = {id(row) for row in comparison.failures}
    valid = ElementTree.SubElement(suites, "testsuite", name="run")
    _case(valid, "run", "valid", "\n".join(comparison.problems))
    for check, rows in groupby(comparison.rows, lambda row: row.check):
        suite = ElementTree.SubElement(suites, "testsuite", name=_xml(check))
        for row in rows:
            failure = f"{row.outcome}: {row.why}" if id(row) in failures else ""
            _case(suite, f"{check}.{row.explainer}", row.similarity, failure)
    for suite in suites:
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("*/failure"))))
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True))


def _case(suite: ElementTree.Element, owner: str, name: str, failure: str) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=_xml(owner), name=_xml(name))
    if failure:
        message = ElementTree.SubElement(case, "failure", message=_xml(failure.splitlines()[0]))
        message.text = _xml(failure)


def _xml(text: str) -> str:
    """The text without what XML cannot hold, not even escaped; lines stay lines."""
    lines = "\n".join(map(printable, text.split("\n")))
    return re.sub("[\ufffe\uffff]", "\ufffd", lines)


def _table(check: str, rows: list[Row]) -> Table:
    drawn = Table(
        title=shown(check, style="bold"), title_justify="left", box=box.SIMPLE_HEAD,
        show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for name in _HEAD:
        drawn.add_column(shown(name), no_wrap=True)
    for row in rows:
        *cells, outcome = _cells(row)
        drawn.add_row(*map(shown, cells), shown(outcome, style=_COLOURS.get(row.outcome, "")))
    return drawn


def _cells(row: Row) -> list[str]:
    sides = (
        f"{verdict} {_numbers(number)}" if verdict else "-"
        for verdict, number in ((row.before, row.baseline), (row.after, row.run))
    )
    return [row.explainer, row.similarity, *sides, _numbers(row.difference), row.outcome]


def _numbers(interval: Interval) -> str:
    return view.interval(*map(float, interval))
