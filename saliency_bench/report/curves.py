"""Lines over a cascade: similarity against stage, and the network's accuracy."""

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

from saliency_bench.report import style, view
from saliency_bench.results import Results

COLUMNS = 4
_PANEL = 1.45  # inches, and so are the next two
_NARROWEST = 3.5
_KEY = 0.55
_MARGIN = 0.4  # stages beside the first and the last
_MOST_MARKERS = 20

_GUIDES: dict[str, dict[str, Any]] = {
    "ceiling": {"color": style.INK, "linestyle": ":", "linewidth": 0.9},
    "floor": {"color": style.VERMILLION, "linestyle": "-.", "linewidth": 0.9},
    "null": {"color": style.SUBDUED, "linestyle": "--", "linewidth": 0.9},
}


@mpl.rc_context(style.STYLE)
def stage_figure(results: Results, check: str, similarity: str) -> Figure:
    """Similarity against stage, a panel per explainer, the controls shaded below."""
    names, places = _evenly(view.stage_names(results, check))
    curves = view.curves(results, check, similarity).items()
    tables = {name: table.rename(index=places) for name, table in curves}
    controls = [name for name in tables if name in view.controls(results)]
    cells = _cells(tested=len(tables) - len(controls), controls=len(controls))
    figure, grid = _sheet(cells, names)
    limits = _limits(tables)
    for (name, table), (row, column) in zip(tables.items(), cells, strict=True):
        axes = figure.add_subplot(grid[row, column], ylim=limits)
        _draw_panel(axes, table, control=name in controls)
        axes.set_title(style.shortened(name, style.NAME), loc="left")
        axes.tick_params(labelleft=column == 0)
        lowest = (row + 1, column) not in cells
        _name_stages(axes, names, figure.get_figwidth() / grid.ncols, shown=lowest)
        # Names under a column that ends early hang into the empty cell below it.
        axes.xaxis.set_in_layout(row == grid.nrows - 1)
    style.entitle(figure, check, f"{similarity} against stage")
    figure.supylabel(style.shortened(similarity, 40), fontsize=style.STYLE["axes.labelsize"])
    _add_legend(figure, _keys(bool(controls)))
    return figure


@mpl.rc_context(style.STYLE)
def accuracy_figure(results: Results, check: str) -> Figure:
    """The network's accuracy under every condition, a dot per draw, beside chance."""
    names, places = _evenly(view.stage_names(results, check))
    networks = results.networks[results.networks["check"] == check]
    networks = networks.assign(stage=networks["stage"].map(places))
    width = style.WIDTH if len(names) > _MOST_MARKERS else 0.6 * style.WIDTH
    figure = style.new_figure(width, 2.0 + style.length(names.values()), constrained=True)
    axes = figure.add_subplot(ylim=(-0.03, 1.03), ylabel="accuracy")
    means = networks.groupby("stage", observed=True)["accuracy"].mean()
    axes.plot(means.index, means, color=style.BLUE, label="mean over draws")
    blind = networks["input_independent"].astype(bool)
    _draw_dots(axes, networks[~blind], "a draw", style.BLUE)
    _draw_dots(axes, networks[blind], "a draw, input ignored", "white")
    chance = results.provenance.get("chance")
    if chance is not None and np.isfinite(chance):
        axes.axhline(chance, color=style.INK, linestyle="--", label=f"chance, {chance:.2g}")
    _name_stages(axes, names, width, shown=True)
    style.entitle(figure, check, "network accuracy")
    _add_legend(figure, axes.get_legend_handles_labels()[0])
    return figure


def _evenly(names: dict[int, str]) -> tuple[dict[int, str], dict[int, int]]:
    """Names by place on the axis, and the place of each stage: a choice of stages lies evenly."""
    return dict(enumerate(names.values())), {stage: i for i, stage in enumerate(names)}


def _cells(*, tested: int, controls: int) -> list[tuple[int, int]]:
    """Row and column of each panel; the controls start a row of their own."""
    start = -(-tested // COLUMNS)
    below = (divmod(i, COLUMNS) for i in range(controls))
    return [divmod(i, COLUMNS) for i in range(tested)] + [(start + r, c) for r, c in below]


def _sheet(cells: list[tuple[int, int]], names: dict[int, str]) -> tuple[Figure, Any]:
    rows, columns = (1 + max(places) for places in zip(*cells, strict=True))
    width = max(style.WIDTH * columns / COLUMNS, _NARROWEST)
    height = 0.8 + rows * _PANEL + style.length(names.values())
    figure = style.new_figure(width, height, constrained=True)
    return figure, figure.add_gridspec(rows, columns)


def _limits(tables: dict[str, pd.DataFrame]) -> tuple[float, float]:
    """One scale for all panels, so that they can be compared."""
    columns = ["mean", "low", "high", *_GUIDES]
    values = np.concatenate([t.loc[t.index > 0, columns].to_numpy(float) for t in tables.values()])
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    pad = 0.06 * (high - low) or 0.06
    return float(low - pad), float(high + pad)


def _draw_panel(axes: Axes, table: pd.DataFrame, *, control: bool) -> None:
    stages = table[table.index > 0].astype({name: float for name in _GUIDES})
    for name, look in _GUIDES.items():
        # A guide spans the panel, also over a single stage.
        places = [-_MARGIN, *stages.index, stages.index.max() + _MARGIN]
        level = [*stages[name].head(1), *stages[name], *stages[name].tail(1)]
        axes.plot(places, level, label=name, **look)
    ceiling = stages["ceiling"].dropna().head(1)
    mean, low, high = ([*ceiling, *stages[c].astype(float)] for c in ("mean", "low", "high"))
    places = [0, *stages.index][-len(mean) :]
    colour = style.SUBDUED if control else style.BLUE
    axes.fill_between(places, low, high, color=colour, alpha=0.25, linewidth=0)
    marker = "o" if len(mean) <= _MOST_MARKERS else ""
    axes.plot(places, mean, color=colour, marker=marker, markersize=2, label="mean")
    if control:
        axes.set_facecolor(style.SHADE)
    if stages["mean"].isna().all():
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", va="center")


def _draw_dots(axes: Axes, networks: pd.DataFrame, label: str, face: str) -> None:
    if len(networks):
        places = networks["stage"], networks["accuracy"]
        look: dict[str, Any] = {"facecolor": face, "edgecolor": style.BLUE, "linewidth": 0.7}
        axes.scatter(*places, s=10, zorder=3, label=label, **look)


def _name_stages(axes: Axes, names: dict[int, str], inches: float, *, shown: bool) -> None:
    stages = list(names)
    kept = [stages[i] for i in style.thinned(len(stages), int((inches - 0.3) / style.TICK))]
    texts = [style.shortened(names[stage], style.NAME) if shown else "" for stage in kept]
    axes.set_xticks(kept, texts, rotation=90)
    axes.set_xlim(min(stages) - _MARGIN, max(stages) + _MARGIN)


def _keys(controls: bool) -> list[Artist]:
    mean = Line2D([], [], color=style.BLUE, marker="o", markersize=2, label="mean, 95 % interval")
    guides = [Line2D([], [], label=name, **look) for name, look in _GUIDES.items()]
    shade = Patch(facecolor=style.SHADE, edgecolor=style.SUBDUED, label="control")
    return [mean, *guides, *([shade] if controls else [])]


def _add_legend(figure: Figure, keys: list[Artist]) -> None:
    widths = [_KEY + style.CHARACTER * len(str(key.get_label())) for key in keys]
    rows = 1
    while rows < len(keys) and sum(_columns(widths, rows)) > figure.get_figwidth():
        rows += 1
    columns = len(_columns(widths, rows))
    figure.legend(handles=keys, loc="outside lower left", ncols=columns, frameon=False)


def _columns(widths: list[float], rows: int) -> list[float]:
    """Width of each column of a legend in `rows` rows, filled as matplotlib fills it."""
    return [max(column) for column in np.array_split(widths, -(-len(widths) // rows))]
