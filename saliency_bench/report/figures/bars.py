"""Two bars per explainer: the measured ceiling, and the similarity at the last stage."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from saliency_bench.protocols import Expectation
from saliency_bench.report import view
from saliency_bench.report.figures import panels, style
from saliency_bench.results import Results

_ROW = 0.36  # inches, and so are the next two
_AROUND = 1.2
_ACROSS = 4.0
_BAR = 0.38  # share of a row, and so is the next one
_BREAK = 0.35
_COLOURS = (style.BLUE, style.ORANGE)
# A white rim separates each line from the bar and from other lines.
_WHISKER: dict[str, Any] = {
    "color": style.INK,
    "linewidth": 0.9,
    "path_effects": [withStroke(linewidth=2.2, foreground="white")],
}
_TICK: dict[str, Any] = {
    "color": style.INK,
    "linewidth": 1.3,
    "path_effects": [withStroke(linewidth=2.6, foreground="white")],
}


@mpl.rc_context(style.STYLE)
def bar_figure(results: Results, check: str, similarity: str) -> Figure:
    """Similarity between twins and at the last stage, a row per explainer, the controls shaded.

    Args:
        results: of the run.
        check: name of a check that measures its ceilings.
        similarity: name of the similarity.
    """
    tables = view.curves(results, check, similarity)
    control_names, last = view.controls(results), max(view.levels(results, check))
    first = view.ceiling_stage(results, check) or 0
    controls = [name for name in tables if name in control_names]
    rows = [float(i) for i in range(len(tables) - len(controls))]
    rows += [len(rows) + i + _BREAK * bool(rows) for i in range(len(controls))]
    height = _AROUND + _ROW * (rows[-1] + 1)
    figure = style.new_figure(_ACROSS + style.length(tables), height, constrained=True)
    axes = figure.add_subplot(xlabel=style.shortened(similarity, 40))
    for stage, colour, side in zip((first, last), _COLOURS, (-0.5, 0.5), strict=True):
        pairs = pd.DataFrame([table.reindex([stage]).iloc[0] for table in tables.values()])
        _draw_bars(axes, pairs, np.array(rows) + side * _BAR, colour)
    if controls:
        axes.axhspan(rows[-len(controls)] - 0.5, rows[-1] + 0.5, color=style.SHADE, zorder=0)
    axes.axvline(0, color=style.INK, linewidth=0.6)
    axes.set(ylim=(rows[-1] + 0.5, -0.5), xlim=_limits(tables, (first, last)))
    axes.set_yticks(rows, [style.shortened(name, style.NAME) for name in tables])
    axes.tick_params(axis="y", length=0)
    style.subdue(axes.get_yticklabels(), [name in controls for name in tables])
    expectation, names = view.expectation(results, check), view.stage_names(results, check)
    style.entitle(figure, check, f"{similarity}, {expectation.ceiling.name} and {names[last]}")
    panels.add_legend(figure, _keys(expectation, names[last], bool(controls)))
    return figure


def _draw_bars(axes: Axes, pairs: pd.DataFrame, rows: Any, colour: str) -> None:
    """Draw a bar per row of the summary with its interval and null; a word if it is undefined."""
    pairs = pairs.assign(row=rows).astype({n: float for n in ("mean", "low", "high", "null")})
    bars = pairs[pairs["mean"].notna()]
    axes.barh(bars["row"], bars["mean"], _BAR, color=colour)
    axes.hlines(bars["row"], bars["low"], bars["high"], **_WHISKER)
    half = _BAR / 2
    axes.vlines(bars["null"], bars["row"] - half, bars["row"] + half, zorder=3, **_TICK)
    for row in pairs.loc[pairs["mean"].isna(), "row"]:
        axes.text(0, row, " undefined", va="center", fontsize=6.5, color=style.SUBDUED)


def _limits(tables: dict[str, pd.DataFrame], stages: tuple[int, int]) -> tuple[float, float]:
    """Limits of the axis: from the lowest to the highest number, zero included."""
    rows = pd.concat([table[table.index.isin(stages)] for table in tables.values()])
    middle = rows[["mean", "null"]].to_numpy(float)
    ends = rows[["low", "high"]].to_numpy(float)
    if not np.nanmax(np.abs(middle), initial=0) > 1:
        # The interval of few networks may exceed the range of a correlation, so it is clipped.
        ends = np.clip(ends, -1, 1)
    values = np.append(np.concatenate([middle, ends], axis=None), 0)
    low, high = np.nanmin(values), np.nanmax(values)
    pad = 0.03 * (high - low) or 0.03
    return float(low - pad * (low < 0)), float(high + pad)


def _keys(expectation: Expectation, last: str, controls: bool) -> list[Artist]:
    untouched = expectation.words.untouched
    bars = (
        f"{expectation.ceiling.name}: {untouched} against {untouched}",
        f"{untouched} against {last}",
    )
    keys: list[Artist] = [
        Patch(color=colour, label=style.shortened(label, 48))
        for colour, label in zip(_COLOURS, bars, strict=True)
    ]
    keys.append(Line2D([], [], label="95 % interval", **_WHISKER))
    tick: dict[str, Any] = {"marker": "|", "markersize": 8, "markeredgewidth": 1.3, "linestyle": ""}
    keys.append(Line2D([], [], color=style.INK, label="null", **tick))
    return [*keys, panels.shade()] if controls else keys
