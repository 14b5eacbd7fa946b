"""Small multiples: a panel per explainer on one scale, the controls shaded below, one legend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from saliency_bench.report.figures import style

COLUMNS = 4
MOST_MARKERS = 20
"""Most points of a curve for which each point has a marker."""

_PANEL = 1.45  # inches, and so are the next two
_NARROWEST = 3.5
_KEY = 0.55

GUIDES: dict[str, dict[str, Any]] = {
    "ceiling": {"color": style.INK, "linestyle": ":", "linewidth": 0.9},
    "floor": {"color": style.VERMILLION, "linestyle": "-.", "linewidth": 0.9},
    "null": {"color": style.SUBDUED, "linestyle": "--", "linewidth": 0.9},
    "threshold": {"color": style.ORANGE, "linestyle": "-", "linewidth": 0.9},
}
"""Levels beside a curve: columns of its table."""


def cells(*, tested: int, controls: int = 0) -> list[tuple[int, int]]:
    """Row and column of each panel; the controls start a row of their own."""
    start = -(-tested // COLUMNS)
    below = (divmod(i, COLUMNS) for i in range(controls))
    return [divmod(i, COLUMNS) for i in range(tested)] + [(start + r, c) for r, c in below]


def sheet(places: list[tuple[int, int]], *, below: float) -> tuple[Figure, Any]:
    """A figure and its grid for panels at `places`, with `below` inches for labels below them."""
    rows, columns = (1 + max(indices) for indices in zip(*places, strict=True))
    width = max(style.WIDTH * columns / COLUMNS, _NARROWEST)
    figure = style.new_figure(width, 0.8 + rows * _PANEL + below, constrained=True)
    return figure, figure.add_gridspec(rows, columns)


def limits(tables: Iterable[pd.DataFrame]) -> tuple[float, float]:
    """One scale for all panels, so that they are comparable."""
    columns = ["mean", "low", "high", *GUIDES]
    values = np.concatenate([table[columns].to_numpy(float) for table in tables])
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    pad = 0.06 * (high - low) or 0.06
    return float(low - pad), float(high + pad)


def draw_panel(axes: Axes, table: pd.DataFrame, *, margin: float, control: bool) -> None:
    """Draw the summary of one explainer as a curve with its interval and guides.

    Args:
        axes: the panel.
        table: rows of the summary by their position, from 0 for the untouched network on.
        margin: width of the panel beside the first and the last position.
        control: whether the explainer is a control.
    """
    table = table.astype(dict.fromkeys(("mean", "low", "high", *GUIDES), float))
    for name, look in GUIDES.items():
        # A guide spans the whole panel, even if there is a single stage.
        places = [table.index.min() - margin, *table.index, table.index.max() + margin]
        level = [*table[name].head(1), *table[name], *table[name].tail(1)]
        axes.plot(places, level, label=name, **look)
    colour = style.SUBDUED if control else style.BLUE
    axes.fill_between(
        table.index, table["low"], table["high"], color=colour, alpha=0.25, linewidth=0
    )
    marker = "o" if len(table) <= MOST_MARKERS else ""
    axes.plot(table.index, table["mean"], color=colour, marker=marker, markersize=2, label="mean")
    if control:
        axes.set_facecolor(style.SHADE)
    if table.loc[table.index > 0, "mean"].isna().all():
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", va="center")


def keys(tables: Iterable[pd.DataFrame], *, controls: bool) -> list[Artist]:
    """The entries of the legend of such panels."""
    drawn = pd.concat(list(tables))[list(GUIDES)].notna().any()
    mean = Line2D([], [], color=style.BLUE, marker="o", markersize=2, label="mean, 95 % interval")
    guides = [Line2D([], [], label=name, **look) for name, look in GUIDES.items() if drawn[name]]
    return [mean, *guides, *([shade()] if controls else [])]


def shade() -> Patch:
    """The entry of the controls in a legend."""
    return Patch(facecolor=style.SHADE, edgecolor=style.SUBDUED, label="control")


def add_legend(figure: Figure, keys: list[Artist]) -> None:
    """Add a legend of `keys` below the figure, in as few rows as its width allows."""
    widths = [_KEY + style.CHARACTER * len(str(key.get_label())) for key in keys]
    rows = 1
    while rows < len(keys) and sum(_columns(widths, rows)) > figure.get_figwidth():
        rows += 1
    columns = len(_columns(widths, rows))
    figure.legend(handles=keys, loc="outside lower left", ncols=columns, frameon=False)


def _columns(widths: list[float], rows: int) -> list[float]:
    """Width of each column of a legend in `rows` rows, filled as matplotlib fills it."""
    return [max(column) for column in np.array_split(widths, -(-len(widths) // rows))]
