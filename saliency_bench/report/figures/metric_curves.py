"""The curves behind a metric: a panel per explainer, beside the curve of the moved maps."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from saliency_bench.inference.quality import mean_curve
from saliency_bench.report import view
from saliency_bench.report.figures import panels, style
from saliency_bench.results import Results

CAPTION = (
    "{words} ({metric}, {unit}): mean over images with its 95 % interval, against the share of the "
    "picture. Dashed: the same maps turned over and shifted at random, which know nothing of their "
    "images."
)

_CHANCE: dict[str, Any] = {"color": style.SUBDUED, "linestyle": "--", "linewidth": 0.9}
_SHARE = "share of the picture"
_BELOW = 0.35  # inches, for the numbers and the name of an axis


@mpl.rc_context(style.STYLE)
def curve_figure(results: Results, metric: str, unit: str) -> Figure:
    """The mean curve of every explainer, the controls shaded below.

    Args:
        results: of the run.
        metric: name of a metric with curves.
        unit: of its values.
    """
    tables = curves(results, metric)
    names = sorted(tables, key=view.controls(results).__contains__)
    controls = [name for name in names if name in view.controls(results)]
    cells = panels.cells(tested=len(names) - len(controls), controls=len(controls))
    figure, grid = panels.sheet(cells, below=_BELOW)
    low, high = _limits(tables.values())
    for name, (row, column) in zip(names, cells, strict=True):
        table, control = tables[name], name in controls
        axes = figure.add_subplot(grid[row, column], ylim=(low, high))
        colour = style.SUBDUED if control else style.BLUE
        axes.fill_between(table.index, table["low"], table["high"], color=colour, alpha=0.25, lw=0)
        axes.plot(table.index, table["mean"], color=colour)
        axes.plot(table.index, table["chance"], **_CHANCE)
        if table["mean"].isna().all():
            axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", va="center")
        if control:
            axes.set_facecolor(style.SHADE)
        axes.set_title(style.shortened(name, style.NAME), loc="left")
        lowest = (row + 1, column) not in cells
        axes.tick_params(labelleft=column == 0, labelbottom=lowest)
        axes.set(xticks=[0, 0.5, 1], xlim=(-0.03, 1.03), xlabel=_SHARE if lowest else "")
    style.entitle(figure, metric, unit)
    keys = [
        Line2D([], [], color=style.BLUE, label="mean, 95 % interval"),
        Line2D([], [], label="moved maps", **_CHANCE),
    ]
    panels.add_legend(figure, [*keys, *([panels.shade()] if controls else [])])
    return figure


def curves(results: Results, metric: str) -> dict[str, pd.DataFrame]:
    """The mean curve of every explainer, by its name; empty if the metric has none."""
    table = results.long_curves
    if table is None:
        return {}
    keys = [key for key in table.keys if key[1] == metric]
    return {explainer: mean_curve(table.rows((explainer, metric))) for explainer, _ in keys}


def _limits(tables: Any) -> tuple[float, float]:
    values = np.concatenate([table.to_numpy(float).ravel() for table in tables])
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    pad = 0.06 * (high - low) or 0.06
    return float(low - pad), float(high + pad)
