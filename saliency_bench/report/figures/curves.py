"""Curves of similarity against stage or depth, and of the network's accuracy."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from saliency_bench.report import view
from saliency_bench.report.figures import panels, style
from saliency_bench.results import Results

_MARGIN = 0.4  # stages beside the first and the last
_PERCENT = 7.0  # the same for levels
_BELOW = 0.35  # inches, for the numbers and the name of an axis


@mpl.rc_context(style.STYLE)
def stage_figure(
    results: Results, check: str, similarity: str, *, threshold: bool = False
) -> Figure:
    """Similarity against stage, a panel per explainer, the controls shaded below.

    Args:
        results: of the run.
        check: name of the check.
        similarity: name of the similarity.
        threshold: whether to draw the line on whose one side the verdict is a pass; where there is
            none, none is drawn.
    """
    names, places = _evenly(view.stage_names(results, check))
    curves = view.curves(results, check, similarity).items()
    if threshold:
        curves = {name: with_threshold(results, check, similarity, t) for name, t in curves}.items()
    tables = {name: _from_ceiling(table, places) for name, table in curves}
    control_names = view.controls(results)
    figure, lowest = _panels(
        tables, control_names, margin=_MARGIN, below=style.length(names.values())
    )
    inches = figure.get_figwidth() / len(lowest)
    for axes in figure.axes:
        _name_stages(axes, names, inches, shown=axes in lowest)
    style.entitle(figure, check, f"{similarity} against stage")
    controls, line = not control_names.isdisjoint(tables), _have_line(tables)
    _explain(figure, similarity, controls=controls, threshold=line)
    return figure


@mpl.rc_context(style.STYLE)
def explainer_figure(
    results: Results, check: str, explainer: str, *, threshold: bool = False
) -> Figure | None:
    """One explainer's similarities against stage, a panel each; None if it never ran.

    Args:
        results: of the run.
        check: name of the check.
        explainer: name of the explainer.
        threshold: see `stage_figure`.
    """
    curves = view.curves_of(results, check, explainer)
    if not curves:
        return None
    if threshold:
        curves = {name: with_threshold(results, check, name, t) for name, t in curves.items()}
    stages = view.stage_names(results, check)
    ceiling = view.expectation(results, check).ceiling
    if ceiling.stage is not None:  # the curve starts at the stage that measures the ceiling
        stages = {0: ceiling.name} | {s: n for s, n in stages.items() if s > ceiling.stage}
    names, places = _evenly(stages)
    tables = {
        name: _from_ceiling(table[table.index.isin(stages)], places)
        for name, table in curves.items()
    }
    cells = panels.cells(tested=len(tables))
    figure, grid = panels.strip(cells, below=style.length(names.values()))
    limits, control = panels.limits(tables.values()), explainer in view.controls(results)
    for (name, table), (row, column) in zip(tables.items(), cells, strict=True):
        axes = figure.add_subplot(grid[row, column], ylim=limits)
        panels.draw_panel(axes, table, margin=_MARGIN, control=control)
        axes.set_title(style.shortened(name, style.NAME), loc="left")
        axes.tick_params(labelleft=column == 0)
        _name_stages(axes, names, figure.get_figwidth() / panels.COLUMNS, shown=True)
    handles = panels.keys(controls=False, threshold=_have_line(tables))
    figure.legend(handles=handles, loc="lower left", ncols=len(handles), frameon=False)
    return figure


def with_threshold(
    results: Results, check: str, similarity: str, table: pd.DataFrame
) -> pd.DataFrame:
    """A curve with the column `threshold`, if the check decides on a line of such scores.

    The share that is retained is below its threshold where the scores, over the stages that are
    judged, lie below this line on average: it cuts null and ceiling in that proportion.

    Args:
        results: of the run.
        check: name of the check.
        similarity: name of the similarity.
        table: rows of the summary by stage.
    """
    expectation = view.expectation(results, check)
    share = results.provenance.get("thresholds", {}).get(similarity)
    if expectation.expects == "keep" and expectation.decides in ("", similarity):
        return table.assign(threshold=1 - expectation.tolerance)
    if share is None or expectation.is_scored or expectation.no_verdict:
        return table
    null, ceiling = table["null"].astype(float), table["ceiling"].astype(float)
    return table.assign(threshold=null + share * (ceiling - null))


def _have_line(tables: dict[str, pd.DataFrame]) -> bool:
    return any("threshold" in table for table in tables.values())


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
    tables = {name: table[table.index.isin(places)].rename(index=places) for name, table in curves}
    control_names = view.controls(results)
    figure, lowest = _panels(tables, control_names, margin=_PERCENT, below=_BELOW)
    for axes in figure.axes:
        axes.set(xticks=[0, 25, 50, 75, 100], xlim=(-_PERCENT, 100 + _PERCENT))
        axes.tick_params(labelbottom=axes in lowest)
        axes.set_xlabel(f"{expectation.words.depth}, %" if axes in lowest else "")
    style.entitle(figure, check, f"{similarity} against the {expectation.words.depth}")
    _explain(figure, similarity, controls=not control_names.isdisjoint(tables))
    return figure


@mpl.rc_context(style.STYLE)
def accuracy_figure(results: Results, check: str) -> Figure:
    """The network's accuracy under every condition, a dot per draw, and chance."""
    names, places = _evenly(view.stage_names(results, check))
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


def _evenly(names: dict[int, str]) -> tuple[dict[int, str], dict[int, int]]:
    """Names by place on the axis, and the place of each stage: a choice of stages lies evenly."""
    return dict(enumerate(names.values())), {stage: i for i, stage in enumerate(names)}


def _from_ceiling(table: pd.DataFrame, places: dict[int, int]) -> pd.DataFrame:
    """The stages of a cascade at their places, before them the ceiling: nothing changed."""
    stages = table[table.index > 0].rename(index=places)
    untouched = stages.head(1).rename(index=lambda _: 0)
    for name in ("mean", "low", "high"):
        untouched[name] = untouched["ceiling"]
    return pd.concat([untouched, stages])


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


def _explain(figure: Figure, similarity: str, *, controls: bool, threshold: bool = False) -> None:
    figure.supylabel(style.shortened(similarity, 40), fontsize=style.STYLE["axes.labelsize"])
    panels.add_legend(figure, panels.keys(controls=controls, threshold=threshold))


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
