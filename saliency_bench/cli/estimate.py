"""What a run would take, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from rich import box
from rich.table import Table
from rich.text import Text

from saliency_bench.inference import Components
from saliency_bench.study.estimate import Forecast

DRAWS = (3, 5, 10, 20)
"""Numbers of redraws for which the images are told that an interval needs."""

MOST_IMAGES = 100_000
"""Where more are needed, more draws would do better."""


def costs(forecast: Forecast, spread: Mapping[str, Components], width: float) -> Table:
    """What is left to do, and how many draws and images an interval of a width would need.

    Args:
        forecast: of the run.
        spread: of what draws and images add to `retained`, by explainer; from scores there are.
        width: from the lower to the upper end.
    """
    grid = Table.grid()
    grid.add_row(_methods(forecast))
    for line in ("", *_totals(forecast), ""):
        grid.add_row(Text(line))
    if spread:
        grid.add_row(_needed(spread, width))
    else:
        grid.add_row(
            Text(
                "How many draws and images an interval needs is known once there are scores: "
                "run with few of both, then plan again with the same run_dir."
            )
        )
    return grid


def _methods(forecast: Forecast) -> Table:
    table = _table("explainer", "images", "evaluations", "ms an image", "scoring ms", "time")
    for method in forecast.methods:
        cells = (
            f"{method.images:,}",
            f"{method.evaluations:.0f}" if method.evaluations else "-",
            f"{1000 * method.seconds:.2f}",
            f"{1000 * method.scoring:.2f}",
            _spoken(method.images * method.seconds),
        )
        table.add_row(method.name, *cells)
    return table


def _totals(forecast: Forecast) -> Iterator[str]:
    there = f", {forecast.there:,} are there" if forecast.there else ""
    yield f"cells    {forecast.cells:,} to compute{there}"
    yield f"weights  changed {forecast.changes:,} times, {1000 * forecast.change:.0f} ms each"
    yield f"time     about {_spoken(forecast.seconds)} with workers={forecast.workers}, no training"
    yield f"disk     about {forecast.disk / 1e6:,.1f} MB"
    if forecast.memory:
        each = " each" if forecast.workers > 1 else ""
        yield f"memory   about {forecast.memory / 1e6:,.0f} MB{each}"


def _needed(spread: Mapping[str, Components], width: float) -> Table:
    table = _table(
        f"images for an interval of retained {width:g} wide", *(f"{n} draws" for n in DRAWS)
    )
    for name, components in spread.items():
        table.add_row(name, *(_images(components, draws, width) for draws in DRAWS))
    return table


def _images(components: Components, draws: int, width: float) -> str:
    """The least number of images; a dash where draws alone make the interval wider."""
    if 2 * components.half_width(draws, MOST_IMAGES) > width:
        return "-"
    least, enough = 1, 2
    while 2 * components.half_width(draws, enough) > width:
        least, enough = enough, 2 * enough
    while enough - least > 1:
        middle = (least + enough) // 2
        if 2 * components.half_width(draws, middle) > width:
            least = middle
        else:
            enough = middle
    return f"{max(5, enough):,}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _spoken(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
