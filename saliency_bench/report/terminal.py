"""The verdict table for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from saliency_bench.report import view
from saliency_bench.results import Results

NECESSARY = (
    "necessary, not sufficient: a pass says the map depends on the weights, not that it is right"
)
LEGEND = (
    "* the similarity the verdict is taken on",
    "! a similarity whose own verdict is another one",
)

ROOMY = 96
"""Columns that the default similarities need."""

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "undefined": "yellow"}

_MUST = {"": "none due", "pass": "must pass", "fail": "must fail"}


def verdict_table(results: Results, *, width: int = 110) -> Table:
    """The verdicts of every check: explainers, then controls, then how to take them.

    In fewer than `ROOMY` columns, similarities that carry no verdict are left out.
    """
    grid = Table.grid()
    for check in view.checks(results):
        grid.add_row(_check_table(results, check, _columns(results, check, width)))
    for line in _notes(results):
        grid.add_row(line)
    return grid


def validity(results: Results) -> str:
    """One sentence: whether the run's verdicts can be used."""
    if not results.valid:
        return f"The run is NOT valid, use none of its verdicts: {'; '.join(results.problems)}"
    rows = _rows(results)
    due = [row for row in rows if row.expected]
    if not due:
        why = _unchecked(rows)
        return f"Nothing speaks against the run, but {why}: its instrument is unchecked."
    right = sum(row.ok for row in due)
    return f"The run is valid: {right} of {len(due)} controls got the verdict they must get."


def _unchecked(rows: list[view.Row]) -> str:
    """Why no control was held to a verdict."""
    silent = view.reasons(row for row in rows if row.verdict == "none")
    if silent and not any(row.verdict in _COLOURS for row in rows):
        return f"no verdict was given, to controls neither ({'; '.join(silent)})"
    return "no control ran"


def _rows(results: Results) -> list[view.Row]:
    return [row for check in view.checks(results) for row in view.verdict_rows(results, check)]


def _columns(results: Results, check: str, width: int) -> dict[int, str]:
    """The similarities that are shown, by their place among all."""
    names = dict(enumerate(view.similarities(results, check)))
    if width >= ROOMY:
        return names
    judged = results.summary[results.summary["verdict"].fillna("") != ""]
    return {place: name for place, name in names.items() if name in set(judged["similarity"])}


def _check_table(results: Results, check: str, columns: dict[int, str]) -> Table:
    table = Table(
        title=Text(check, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("explainer", min_width=20, max_width=20, overflow="fold")
    table.add_column("verdict", max_width=13)
    table.add_column(Text("retained [95 %]"), no_wrap=True)
    for name in columns.values():
        table.add_column(Text(name.replace("_", " ")), justify="right", max_width=9)
    rows = view.verdict_rows(results, check)
    for row in rows:
        if not row.control:
            table.add_row(*_cells(row, row.verdict, columns))
    _add_controls(table, [row for row in rows if row.control], columns)
    return table


def _add_controls(table: Table, rows: list[view.Row], columns: Iterable[int]) -> None:
    # Under a heading per expected verdict, which saves the column it would take.
    for expected, group in groupby(sorted(rows, key=_expected), key=_expected):
        table.add_section()
        table.add_row(
            Text(f"controls: {_MUST.get(expected, f'must be {expected}')}", style="italic")
        )
        for row in group:
            outcome = ", ok" if row.ok else ", WRONG"
            verdict = row.verdict + outcome * bool(expected)
            table.add_row(*_cells(row, verdict, columns, indent="  "))


def _expected(row: view.Row) -> str:
    return row.expected


def _cells(row: view.Row, verdict: str, columns: Iterable[int], *, indent: str = "") -> list[Text]:
    colour = _COLOURS.get(row.verdict, "")
    if row.control:
        colour = "dim" if row.ok else "bold red"
    shown = Text(verdict, style=colour)
    # Text, not str: a name with brackets in it is no markup.
    others = [_retained(row.others[place]) for place in columns]
    return [Text(indent + row.explainer), shown, Text(row.retained), *others]


def _retained(cell: str) -> Text:
    return Text(cell, style="bold red" if cell.endswith("!") else "")


def _notes(results: Results) -> list[Text]:
    told = (
        row
        for row in _rows(results)
        if not row.control and (row.disagrees or row.verdict not in ("pass", "fail"))
    )
    behind = [Text(f"{', '.join(names)}: {why}") for why, names in view.reasons(told).items()]
    state = Text(validity(results), style="bold" if results.valid else "bold red")
    return [Text(), Text("   ".join(LEGEND)), *behind, Text(NECESSARY), state]
