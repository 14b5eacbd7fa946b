"""Cost of a run, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from rich import box
from rich.table import Table
from rich.text import Text

from saliency_bench.inference import Components
from saliency_bench.protocols import duration
from saliency_bench.report.text.console import shown
from saliency_bench.study.estimate import Forecast

DRAWS = (3, 5, 10, 20)
"""Numbers of redraws in the table of images that an interval needs."""

MOST_IMAGES = 100_000
"""Largest number of images in that table; beyond it, more draws help more."""


def costs(forecast: Forecast, spread: Mapping[str, Components], width: float) -> Table:
    """Remaining cost of a run, and the draws and images that an interval of a given width needs.

    Args:
        forecast: the run's cost.
        spread: variance of `retained` from draws and images, by explainer; needs existing scores.
        width: of the interval, from its lower to its upper end.
    """
    grid = Table.grid()
    grid.add_row(_method_table(forecast))
    for line in ("", *_totals(forecast), ""):
        grid.add_row(Text(line))
    if spread:
        grid.add_row(_image_table(spread, width))
    else:
        grid.add_row(
            Text(
                "How many draws and images an interval needs is known once there are scores: "
                "run with few of both, then plan again with the same run_dir."
            )
        )
    return grid


def _method_table(forecast: Forecast) -> Table:
    table = _table("explainer", "images", "evaluations", "ms an image", "scoring ms", "time")
    for method in forecast.methods:
        cells = (
            f"{method.images:,}",
            f"{method.evaluations:.0f}" if method.evaluations else "-",
            f"{1000 * method.seconds:.2f}",
            f"{1000 * method.scoring:.2f}",
            _hms(method.images * method.seconds),
        )
        table.add_row(shown(method.name), *cells)
    return table


def _totals(forecast: Forecast) -> Iterator[str]:
    existing = f", {forecast.there:,} exist" if forecast.there else ""
    yield f"cells    {forecast.cells:,} to compute{existing}"
    yield f"weights  changed {forecast.changes:,} times, {1000 * forecast.change:.0f} ms each"
    if (todo := forecast.outstanding) is not None:
        most = todo.networks * todo.epochs * todo.seconds
        yield (
            f"training {todo.networks} to do first, each of at most {todo.epochs} epochs of "
            f"{_hms(todo.seconds)}: at most {duration(most)}"
        )
    if (todo := forecast.tuning) is not None:
        seconds = todo.networks * todo.epochs * todo.seconds
        yield f"tuning   {todo.networks} to do first: {duration(seconds)}"
    yield f"compile  about {duration(forecast.compiling)} in each process"
    yield f"time     about {duration(forecast.seconds)} then, with workers={forecast.workers}"
    yield f"disk     about {forecast.disk / 1e6:,.1f} MB"
    if forecast.memory:
        each = " each" if forecast.workers > 1 else ""
        yield f"memory   about {forecast.memory / 1e6:,.0f} MB{each}"


def _image_table(spread: Mapping[str, Components], width: float) -> Table:
    table = _table(
        f"images for an interval of retained {width:g} wide", *(f"{n} draws" for n in DRAWS)
    )
    for name, components in spread.items():
        table.add_row(shown(name), *(_images(components, draws, width) for draws in DRAWS))
    return table


def _images(components: Components, draws: int, width: float) -> str:
    """The smallest sufficient number; a dash if no number is: the draws alone are too few."""
    if 2 * components.half_width(draws, MOST_IMAGES) > width:
        return "-"
    too_few, enough = 1, 2
    while 2 * components.half_width(draws, enough) > width:
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if 2 * components.half_width(draws, middle) > width:
            too_few = middle
        else:
            enough = middle
    return f"{max(5, enough):,}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _hms(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
