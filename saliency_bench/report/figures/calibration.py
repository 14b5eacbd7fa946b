"""Calibration of `retained` as a figure: maps of which a known share survives."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from saliency_bench.report import view
from saliency_bench.report.figures import panels, style
from saliency_bench.report.text.calibration import judged_doses, share_at
from saliency_bench.results import Results

CAPTION = (
    "Calibration under {check}: maps of which a known share survives (ranks of noise that is "
    "frozen at that share of the pixels), and the share that is retained, with its 95 % interval. "
    "The diagonal is right. A similarity's threshold meets it at the share that just fails."
)

_LOOKS = ((style.BLUE, "o"), (style.VERMILLION, "s"), (style.ORANGE, "D"))
_SIDE = 0.006  # of the scale, so that intervals at one share do not overlap


@mpl.rc_context(style.STYLE)
def dose_figure(results: Results, check: str) -> Figure:
    """`retained` against the known share that survives, for similarities with a threshold."""
    figure = style.new_figure(3.5, 3.4, constrained=True)
    axes = figure.add_subplot(xlabel="share that survives", ylabel="retained", aspect="equal")
    look: dict[str, Any] = {"color": style.SUBDUED, "linewidth": 0.8, "zorder": 0}
    axes.plot([0, 1], [0, 1], label="retained is the share", **look)
    for place, (similarity, threshold, table) in enumerate(judged_doses(results, check)):
        colour, marker = _LOOKS[place % len(_LOOKS)]
        _draw(axes, table, _SIDE * (2 * place - 1), colour, marker)
        share = share_at(threshold, table)
        axes.plot([-0.05, share, share], [threshold, threshold, -0.05], color=colour, ls=":")
        axes.lines[-1].set_label(f"threshold {threshold:g}: a share of {view.number(share)}")
        axes.collections[-1].set_label(style.shortened(similarity, style.NAME))
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
    style.entitle(figure, check, "calibration of retained")
    panels.add_legend(figure, axes.get_legend_handles_labels()[0])
    return figure


def _draw(axes: Axes, table: pd.DataFrame, aside: float, colour: str, marker: str) -> None:
    places: Any = table.index + aside
    axes.vlines(places, table["low"], table["high"], color=colour, linewidth=1.2)
    axes.scatter(places, table["retained"], s=14, color=colour, marker=marker)
