"""The verdicts of a run as a small table, which a notebook shows below its cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from saliency_bench.report import view
from saliency_bench.report.page import template
from saliency_bench.report.page.content import MARKS
from saliency_bench.report.text import quality, sentences
from saliency_bench.results import Results


@dataclass(frozen=True)
class Row:
    """An explainer's line.

    Attributes:
        name: of the explainer.
        cells: the mark and word of each verdict, and the numbers behind it; then each metric's.
    """

    name: str
    cells: tuple[tuple[str, str], ...]


def html(results: Results) -> str:
    """A piece of HTML without scripts or styles of its own; names from users are escaped."""
    checks, metrics = view.ran(results), list(quality.declared(results))
    controls = view.controls(results)
    names = dict.fromkeys([*view.side_by_side(results), *results.quality.get("explainer", ())])
    return template("card.html.jinja").render(
        valid=results.valid,
        validity=sentences.validity(results),
        faults=[*results.guards, *results.problems],
        refused=list(sentences.refusals(results).values()),
        necessary=f"{'A verdict is' if checks else 'In this run'} {sentences.necessary(results)}.",
        heads=[*checks, *metrics],
        tested=[_row(results, str(name)) for name in names if name not in controls],
        controls=[_row(results, str(name)) for name in names if name in controls],
        page=None if results.page is None else str(results.page),
        address=_address(results.page),
    )


def _row(results: Results, name: str) -> Row:
    rows = view.side_by_side(results).get(name, (None,) * len(view.ran(results)))
    verdicts = tuple(_verdict(row) for row in rows)
    numbers = (
        (quality.cell(results, name, m, f), "") for m, f in quality.declared(results).items()
    )
    return Row(name, (*verdicts, *numbers))


def _verdict(row: view.Row | None) -> tuple[str, str]:
    if row is None:
        return "-", ""
    return (
        f"{MARKS.get(row.verdict, '-')} {row.outcome}",
        "" if row.retained == "-" else row.retained,
    )


def _address(page: Path | None) -> str:
    """Where a browser finds the report: below the notebook's folder, else by its whole path."""
    if not isinstance(page, Path):  # none, or an address such as s3://
        return ""
    whole, here = page.resolve(), Path.cwd()
    return (
        quote(whole.relative_to(here).as_posix()) if whole.is_relative_to(here) else whole.as_uri()
    )
