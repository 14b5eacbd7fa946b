"""The verdict table for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from saliency_bench.report import view
from saliency_bench.report.blocks import Block, Bullets, Facts, Grid, Paragraph
from saliency_bench.report.sections import SECTIONS
from saliency_bench.report.text.console import shown
from saliency_bench.results import Results

ROOMY = 96
"""Columns of the terminal that the default similarities need."""

_NAME = 21
_CHECK = 35
"""Columns of the terminal for an explainer's name, and for a verdict with `retained` beside it."""

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "undefined": "yellow"}

_WEIGHTS = {
    "plain": "", "strong": "bold", "alarm": "bold red", "quiet": "yellow", "answer": "bold",
}  # fmt: skip

_MUST = {"": "none due", "pass": "must pass", "fail": "must fail"}


def verdict_table(results: Results, *, width: int = 110) -> Table:
    """The sections in brief: the verdicts of all checks, and how to read them.

    In fewer than `ROOMY` columns, similarities without a verdict are left out.
    """
    grid = Table.grid()
    for section in SECTIONS:
        for block in (section.brief or section.content)(results):
            for part in _DRAWN[block.kind](block, results, width):
                grid.add_row(part)
    return grid


def _paragraph(block: Paragraph, results: Results, width: int) -> Iterator[RenderableType]:
    yield shown(block.text, style=_WEIGHTS[block.weight])


def _facts(block: Facts, results: Results, width: int) -> Iterator[RenderableType]:
    yield shown("   ".join(f"{name}: {said}" for name, said in block.pairs))


def _bullets(block: Bullets, results: Results, width: int) -> Iterator[RenderableType]:
    yield from (shown(line, style=_WEIGHTS[block.weight]) for line in block.lines)


def _grid(block: Grid, results: Results, width: int) -> Iterator[RenderableType]:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, name in enumerate(block.head):
        table.add_column(shown(name.replace("_", " ")), no_wrap=place == 0)
    for row in block.rows:
        table.add_row(*map(shown, row))
    if block.rows:
        yield table


def _verdicts(block: Block, results: Results, width: int) -> Iterator[RenderableType]:
    checks = view.ran(results)
    tables = [_check_table(results, check, _columns(results, check, width)) for check in checks]
    if len(checks) > 1:
        tables.insert(0, _overview(results, checks, width))
    yield from (part for table in tables for part in (table, Text()))


def _nothing(block: Block, results: Results, width: int) -> Iterator[RenderableType]:
    """No lines, for blocks that the terminal has no room for."""
    yield from ()


_DRAWN: Mapping[str, Callable[[Any, Results, int], Iterator[RenderableType]]] = {
    "paragraph": _paragraph,
    "facts": _facts,
    "bullets": _bullets,
    "grid": _grid,
    "verdicts": _verdicts,
    "cards": _nothing,
    "controls": _nothing,
    "figures": _nothing,
    "scatter": _nothing,
}


def _columns(results: Results, check: str, width: int) -> dict[int, str]:
    """The similarities that are shown, by their index among all."""
    names = dict(enumerate(view.similarities(results, check)))
    if width >= ROOMY:
        return names
    rows = results.summary[results.summary["verdict"].fillna("") != ""]
    return {place: name for place, name in names.items() if name in set(rows["similarity"])}


def _overview(results: Results, checks: list[str], width: int) -> Table:
    """A row per explainer: its verdict under each check, with `retained` beside or below it."""
    beside = width >= _NAME + len(checks) * _CHECK
    table = _table("all checks")
    for check in checks:
        table.add_column(shown(check.replace("_", " ")), max_width=13 if beside else 20)
        if beside:
            table.add_column(shown(f"{view.heading(results, check)} [95 %]"), no_wrap=True)
    control_names = view.controls(results)
    tables = view.side_by_side(results)
    for control, names in groupby(tables, control_names.__contains__):
        if control:
            table.add_section()
            table.add_row(Text("controls", style="italic"))
        for name in names:
            cells = [cell for row in tables[name] for cell in _verdict_cells(row, beside=beside)]
            table.add_row(shown("  " * control + name), *cells)
    return table


def _verdict_cells(row: view.Row | None, *, beside: bool) -> list[Text]:
    cells = [_verdict(row), shown(row.retained)] if row else [Text("-"), Text("-")]
    return cells if beside else [Text("\n").join(cells)]


def _check_table(results: Results, check: str, columns: dict[int, str]) -> Table:
    table = _table(check)
    table.add_column("verdict", max_width=13)
    table.add_column(shown(f"{view.heading(results, check)} [95 %]"), no_wrap=True)
    for name in columns.values():
        table.add_column(shown(name.replace("_", " ")), justify="right", max_width=9)
    rows = view.verdict_rows(results, check)
    for row in rows:
        if not row.control:
            table.add_row(*_cells(row, columns))
    _add_controls(table, [row for row in rows if row.control], columns)
    return table


def _table(title: str) -> Table:
    table = Table(
        title=shown(title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("explainer", min_width=20, max_width=20, overflow="fold")
    return table


def _add_controls(table: Table, rows: list[view.Row], columns: Iterable[int]) -> None:
    # A heading per expected verdict takes the place of a column.
    for expected, group in groupby(sorted(rows, key=_expected), key=_expected):
        table.add_section()
        table.add_row(
            shown(f"controls: {_MUST.get(expected, f'must be {expected}')}", style="italic")
        )
        for row in group:
            table.add_row(*_cells(row, columns, indent="  "))


def _expected(row: view.Row) -> str:
    return row.expected


def _cells(row: view.Row, columns: Iterable[int], *, indent: str = "") -> list[Text]:
    # Text, not str: brackets in a name must not be read as markup.
    others = [_retained_text(row.others[place]) for place in columns]
    return [shown(indent + row.explainer), _verdict(row), shown(row.retained), *others]


def _verdict(row: view.Row) -> Text:
    colour = _COLOURS.get(row.verdict, "")
    if row.control:
        colour = "dim" if row.ok else "bold red"
    return shown(row.outcome, style=colour)


def _retained_text(cell: str) -> Text:
    return shown(cell, style="bold red" if cell.endswith("!") else "")
