"""A heat map of `retained`, explainer by stage."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from saliency_bench.protocols import AREA
from saliency_bench.report import view
from saliency_bench.report.figures import style
from saliency_bench.results import Results

MOST_NUMBERS = 12
"""Most stages for which numbers fit into the cells."""

_ROW = 0.21  # inches, and so are the next four
_COLUMN = 0.42
_BAR = 0.1
_BESIDE = 0.75
_NARROWEST = 3.2
_DARK = 0.55  # of the scale: numbers above it are black

Array = NDArray[np.floating[Any]]


@mpl.rc_context(style.STYLE)
def retained_figure(results: Results, check: str, similarity: str) -> Figure:
    """`retained` of every explainer at every stage and for the verdict; hatched: undefined.

    Args:
        results: of the run.
        check: name of the check.
        similarity: name of the similarity.
    """
    tables = view.curves(results, check, similarity)
    # The stage that measures the ceiling has a retained of 1 by definition.
    first = view.ceiling_stage(results, check) or 0
    names = {s: name for s, name in view.stage_names(results, check).items() if s > first}
    columns = [*names, AREA]
    values = np.array([t["retained"].reindex(columns).to_numpy(float) for t in tables.values()])
    decides = view.deciding(results, check)[0]
    values[:, -1] = [t[decides].get(AREA, np.nan) for t in tables.values()]
    outside = _BESIDE + style.length(tables)
    across = min(style.WIDTH - outside - _COLUMN, _COLUMN * len(names))
    figure = style.new_figure(
        max(outside + across + _COLUMN, _NARROWEST),
        0.5 + _ROW * max(len(tables), 4) + style.length(names.values()),
        constrained=True,
    )
    stages, whole, key = figure.subplots(1, 3, width_ratios=[across, _COLUMN, _BAR])
    painted = _paint(stages, values[:, :-1], numbers=len(names) <= MOST_NUMBERS)
    _paint(whole, values[:, -1:], numbers=True)
    ticks = style.thinned(len(names), int(across / style.TICK))
    labels = [style.shortened(name, style.NAME) for name in names.values()]
    stages.set_xticks(ticks, [labels[i] for i in ticks], rotation=90)
    whole.set_xticks(
        [0], [view.expectation(results, check).statistic], rotation=90, fontweight="bold"
    )
    _name_rows(stages, whole, list(tables), view.controls(results))
    figure.colorbar(painted, cax=key, extend="both", ticks=[0, 0.5, 1])
    style.entitle(figure, check, f"retained, {similarity}")
    return figure


def _paint(axes: Axes, values: Array, *, numbers: bool) -> Any:
    # Undefined cells are masked, so that the hatched background is visible.
    axes.patch.set(facecolor="white", hatch="/////", edgecolor=style.SUBDUED)
    axes.spines[:].set_visible(False)
    if numbers:
        for row, column in np.argwhere(np.isfinite(values)):
            value = float(values[row, column])
            ink = "black" if value > _DARK else "white"
            text = view.number(value)
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7)
    masked = np.ma.masked_invalid(values)
    return axes.imshow(masked, cmap="cividis", vmin=0, vmax=1, aspect="auto")


def _name_rows(stages: Axes, whole: Axes, names: list[str], controls: set[str]) -> None:
    stages.set_yticks(range(len(names)), [style.shortened(name, style.NAME) for name in names])
    whole.set_yticks([])
    style.subdue(stages.get_yticklabels(), [name in controls for name in names])
    tested = sum(name not in controls for name in names)
    if 0 < tested < len(names):
        for axes in (stages, whole):
            axes.axhline(tested - 0.5, color="white", linewidth=3)
