"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.report import view
from saliency_bench.report.blocks import Block, Bullets, Facts, Grid, Paragraph
from saliency_bench.report.board import Part
from saliency_bench.report.figures.planned import PlannedFigure
from saliency_bench.report.sections import SECTIONS, Section
from saliency_bench.report.text.markup import escape, table
from saliency_bench.results import Results

IN_TABLES = frozenset({"cards", "controls", "scatter"})
"""Kinds of blocks whose numbers stand in tables already."""

_LOUD = ("strong", "alarm", "answer")


def text(results: Results, drawn: Iterable[PlannedFigure]) -> str:
    """The whole report; the figures `drawn` are in the folder `figures/` beside it."""
    figures = list(drawn)
    bodies = [(section, _body(section, results, figures)) for section in SECTIONS]
    sections = [f"## {section.title}\n\n{body}" for section, body in bodies if body]
    version = f"schema_version: {SCHEMA_VERSION}"
    return "\n\n".join([*sections, version]).removeprefix("#") + "\n"


def board_text(parts: Iterable[Part]) -> str:
    """The board of several networks."""
    bodies = [(part.title, filter(None, map(plain, part.blocks))) for part in parts]
    sections = ["\n\n".join([f"## {title}", *blocks]) for title, blocks in bodies]
    version = f"schema_version: {SCHEMA_VERSION}"
    return "\n\n".join([*sections, version]).removeprefix("#") + "\n"


def _body(section: Section, results: Results, figures: list[PlannedFigure]) -> str:
    blocks = (_block(block, results, figures) for block in section.content(results))
    return "\n\n".join(filter(None, blocks))


def _block(block: Block, results: Results, figures: list[PlannedFigure]) -> str:
    if block.kind == "figures":
        return "\n\n".join(map(_figure, figures))
    if block.kind == "verdicts":
        return _verdicts(results)
    return plain(block)


def plain(block: Block) -> str:
    """A block that needs no more of the run; no text for what tables hold already."""
    return "" if block.kind in IN_TABLES else _PLAIN[block.kind](block)


def _paragraph(block: Paragraph) -> str:
    return f"**{escape(block.text)}**" if block.weight in _LOUD else escape(block.text)


def _facts(block: Facts) -> str:
    return " · ".join(f"{escape(name)}: {escape(said)}" for name, said in block.pairs)


def _bullets(block: Bullets) -> str:
    return "\n".join(f"- {escape(line)}" for line in block.lines)


def _grid(block: Grid) -> str:
    return table(block.head, block.rows)


def _verdicts(results: Results) -> str:
    parts = [_overview(results)] if len(view.ran(results)) > 1 else []
    for check in view.ran(results):
        parts.append(f"### {escape(check)}\n\n{_verdict_table(results, check)}")
    return "\n\n".join(parts)


_PLAIN: Mapping[str, Callable[[Any], str]] = {
    "paragraph": _paragraph,
    "facts": _facts,
    "bullets": _bullets,
    "grid": _grid,
}


def _overview(results: Results) -> str:
    """A row per explainer, with the verdicts of all checks side by side."""
    control_names, tables = view.controls(results), view.side_by_side(results)
    cells = [(check, _heading(results, check)) for check in view.ran(results)]
    parts = ["### All checks"]
    for control, head in ((False, "explainer"), (True, "control")):
        rows = [
            [name, *_beside(tables[name])] for name in tables if (name in control_names) == control
        ]
        parts.append(table([head, *chain.from_iterable(cells)], rows))
    return "\n\n".join(filter(None, parts))


def _beside(rows: Iterable[view.Row | None]) -> Iterator[str]:
    return chain.from_iterable((row.outcome, row.retained) if row else ("-", "-") for row in rows)


def _verdict_table(results: Results, check: str) -> str:
    similarities, number = view.similarities(results, check), _heading(results, check)
    rows = view.verdict_rows(results, check)
    tested = [
        [row.explainer, row.verdict, row.retained, *row.others] for row in rows if not row.control
    ]
    controls = [
        [row.explainer, row.expected or "-", _outcome(row), row.retained, *row.others]
        for row in rows
        if row.control
    ]
    parts = [
        table(["explainer", "verdict", number, *similarities], tested),
        table(["control", "must be", "verdict", number, *similarities], controls),
    ]
    return "\n\n".join(part for part in parts if part)


def _heading(results: Results, check: str) -> str:
    return f"{view.heading(results, check)} [95 % interval]"


def _outcome(row: view.Row) -> str:
    return row.verdict if row.ok else f"{row.verdict}, WRONG"


def _figure(plan: PlannedFigure) -> str:
    caption = escape(plan.caption)
    return f"![{plan.stem}](figures/{plan.stem}.png)\n\n{caption}"
