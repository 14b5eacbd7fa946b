"""Curves of similarity against stage or depth, and of the network's accuracy."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from saliency_bench.report import view
from saliency_bench.report.figures import panels, style
from saliency_bench.report.lines import with_line
from saliency_bench.report.stages import evenly, from_ceiling, of_explainer
from saliency_bench.results import Results

_MARGIN = 0.4  # stages beside the first and the last
_PERCENT = 7.0  # the same for levels
_BELOW = 0.35  # inches, for the numbers and the name of an axis


@mpl.rc_context(style.STYLE)
def stage_figure(results: Results, check: str, similarity: str) -> Figure:
    """Similarity against stage, a panel per explainer, the controls shaded below.

    Args:
        results: of the run.
        check: name of the check.
        similarity: name of the similarity.
    """
    names, places = evenly(view.stage_names(results, check))
    curves = view.curves(results, check, similarity).items()
    tables = {
        name: with_line(results, check, similarity, from_ceiling(table, places))
        for name, table in curves
    }
    control_names = view.controls(results)
    figure, lowest = _panels(
        tables, control_names, margin=_MARGIN, below=style.length(names.values())
    )
    inches = figure.get_figwidth() / len(lowest)
    for axes in figure.axes:
        _name_stages(axes, names, inches, shown=axes in lowest)
        axes.set_xlabel("stage" if axes in lowest else "")
    style.entitle(figure, check, f"{similarity} against stage")
    _explain(figure, similarity, tables, control_names)
    return figure


@mpl.rc_context(style.STYLE)
def explainer_figure(results: Results, check: str, explainer: str) -> Figure | None:
    """One explainer's similarities against stage, a panel each; None if it never ran.

    Args:
        results: of the run.
        check: name of the check.
        explainer: name of the explainer.
    """
    names, tables = of_explainer(results, check, explainer)
    if not tables:
        return None
    control_names = set(tables) if explainer in view.controls(results) else set()
    figure, lowest = _panels(
        tables, control_names, margin=_MARGIN, below=style.length(names.values())
    )
    inches = figure.get_figwidth() / len(lowest)
    for axes in figure.axes:
        _name_stages(axes, names, inches, shown=axes in lowest)
        axes.set_xlabel("stage" if axes in lowest else "")
    style.entitle(figure, check, explainer)
    _explain(figure, "by each measure", tables, control_names)
    return figure


@mpl.rc_context(style.STYLE)
def level_figure(results: Results, check: str, similarity: str) -> Figure:
    """Similarity against depth in percent; the stage that measures the ceiling is at 0.

    Args:
        results: of the run.
        check: name of a check that measures its ceilings.
        similarity: name of the similarity.
    """
    expectation = view.expectation(results, check)
    depths = {s: 100 * depth for s, depth in view.levels(results, check).items()}
    places = {expectation.ceiling.stage: 0.0} | depths
    curves = view.curves(results, check, similarity).items()
    tables = {
        name: with_line(results, check, similarity, table[table.index.isin(places)]).rename(
            index=places
        )
        for name, table in curves
    }
    control_names = view.controls(results)
    figure, lowest = _panels(tables, control_names, margin=_PERCENT, below=_BELOW)
    for axes in figure.axes:
        axes.set(xticks=[0, 25, 50, 75, 100], xlim=(-_PERCENT, 100 + _PERCENT))
        axes.tick_params(labelbottom=axes in lowest)
        axes.set_xlabel(f"{expectation.words.depth}, %" if axes in lowest else "")
    style.entitle(figure, check, f"{similarity} against the {expectation.words.depth}")
    _explain(figure, similarity, tables, control_names)
    return figure


@mpl.rc_context(style.STYLE)
def accuracy_figure(results: Results, check: str) -> Figure:
    """The network's accuracy under every condition, a dot per draw, and chance."""
    names, places = evenly(view.stage_names(results, check))
    networks = results.networks[results.networks["check"] == check]
    networks = networks.assign(stage=networks["stage"].map(places))
    width = style.WIDTH if len(names) > panels.MOST_MARKERS else 0.6 * style.WIDTH
    figure = style.new_figure(width, 2.0 + style.length(names.values()), constrained=True)
    axes = figure.add_subplot(ylim=(-0.03, 1.03), ylabel="accuracy")
    means = networks.groupby("stage", observed=True)["accuracy"].mean()
    axes.plot(means.index, means, color=style.BLUE, label="mean over draws")
    blind = networks["input_independent"].astype(bool)
    _draw_dots(axes, networks[~blind], "a draw", style.BLUE)
    _draw_dots(axes, networks[blind], "a draw, input ignored", "white")
    chance = view.chance(results)
    if chance is not None:
        axes.axhline(chance, color=style.INK, linestyle="--", label=f"chance, {chance:.2g}")
    _name_stages(axes, names, width, shown=True)
    style.entitle(figure, check, "network accuracy")
    panels.add_legend(figure, axes.get_legend_handles_labels()[0])
    return figure


def _panels(
    tables: dict[str, pd.DataFrame], control_names: set[str], *, margin: float, below: float
) -> tuple[Figure, list[Axes]]:
    """A figure with the panel of every explainer, and the lowest panel of each column."""
    controls = [name for name in tables if name in control_names]
    cells = panels.cells(tested=len(tables) - len(controls), controls=len(controls))
    figure, grid = panels.sheet(cells, below=below)
    limits, lowest = panels.limits(tables.values()), []
    for (name, table), (row, column) in zip(tables.items(), cells, strict=True):
        axes = figure.add_subplot(grid[row, column], ylim=limits)
        panels.draw_panel(axes, table, margin=margin, control=name in controls)
        axes.set_title(style.shortened(name, style.NAME), loc="left")
        axes.tick_params(labelleft=column == 0)
        # Names under a column that ends early extend into the empty cell below it.
        axes.xaxis.set_in_layout(row == grid.nrows - 1)
        if (row + 1, column) not in cells:
            lowest.append(axes)
    return figure, lowest


def _explain(
    figure: Figure, similarity: str, tables: dict[str, pd.DataFrame], control_names: set[str]
) -> None:
    name = style.shortened(f"similarity, {similarity}", 40)
    figure.supylabel(name, fontsize=style.STYLE["axes.labelsize"])
    has_controls = not control_names.isdisjoint(tables)
    panels.add_legend(figure, panels.keys(tables.values(), controls=has_controls))


def _draw_dots(axes: Axes, networks: pd.DataFrame, label: str, face: str) -> None:
    if len(networks):
        places = networks["stage"], networks["accuracy"]
        look: dict[str, Any] = {"facecolor": face, "edgecolor": style.BLUE, "linewidth": 0.7}
        axes.scatter(*places, s=10, zorder=3, label=label, **look)


def _name_stages(axes: Axes, names: dict[int, str], inches: float, *, shown: bool) -> None:
    stages = list(names)
    ticks = [stages[i] for i in style.thinned(len(stages), int((inches - 0.3) / style.TICK))]
    texts = [style.shortened(names[stage], style.NAME) if shown else "" for stage in ticks]
    axes.set_xticks(ticks, texts, rotation=90)
    axes.set_xlim(min(stages) - _MARGIN, max(stages) + _MARGIN)
