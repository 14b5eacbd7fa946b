"""The trainings of a run: accuracy against epoch, a panel per kind of labels."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from saliency_bench.protocols import NetworkName
from saliency_bench.report import view
from saliency_bench.report.figures import panels, style
from saliency_bench.results import Results

_BELOW = 0.35  # inches, for the numbers and the name of each axis
_ASIDE = 0.06  # share of the epochs, from the end of a line to the mark of its test
_AFTER: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 3}
_TEST: dict[str, Any] = {
    "linestyle": "",
    "marker": "D",
    "markersize": 3.5,
    "markerfacecolor": "white",
}
_CHANCE: dict[str, Any] = {"color": style.INK, "linestyle": "--", "linewidth": 0.9}
_TARGET: dict[str, Any] = {"color": style.INK, "linestyle": ":", "linewidth": 0.9}


@mpl.rc_context(style.STYLE)
def training_figure(results: Results) -> Figure:
    """Training accuracy of every network by epoch, with its test accuracy as a marker."""
    trainings = results.trainings
    kinds = sorted(set(zip(trainings["fraction"], trainings["labels"], strict=True)))
    cells = panels.cells(tested=len(kinds))
    figure, grid = panels.sheet(cells, below=_BELOW * (1 + cells[-1][0]))
    chance = view.test_chance(results)
    levels = (view.expectation(results, check).learned for check in view.ran(results))
    targets = [level for level in levels if level is not None]
    for (fraction, labels), (row, column) in zip(kinds, cells, strict=True):
        axes = figure.add_subplot(grid[row, column], ylim=(-0.03, 1.05))
        if chance is not None:
            axes.axhline(chance, label="chance", **_CHANCE)
        for level in targets if fraction > 0 else ():
            axes.axhline(level, label="asked for", **_TARGET)
        own = (trainings["fraction"] == fraction) & (trainings["labels"] == labels)
        for _, epochs in trainings[own].groupby("draw"):
            _draw_network(axes, epochs, style.ORANGE if fraction > 0 else style.BLUE)
        variant = NetworkName(labels, fraction).variant
        axes.set_title(style.shortened(variant, style.NAME), loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.tick_params(labelleft=column == 0)
    figure.suptitle("training of the networks", x=0.01, ha="left")
    figure.supylabel("accuracy", fontsize=style.STYLE["axes.labelsize"])
    has_target = bool(targets) and any(fraction > 0 for fraction, _ in kinds)
    panels.add_legend(figure, _keys(chance is not None, has_target))
    return figure


def _draw_network(axes: Axes, epochs: pd.DataFrame, colour: str) -> None:
    epochs = epochs.sort_values("epoch")
    last = epochs.iloc[-1]
    end = last["epoch"]
    beside = end + _ASIDE * max(end - 1, 1)
    axes.plot(epochs["epoch"], epochs["accuracy"], color=colour, label="training")
    axes.plot(end, last["train_accuracy"], color=colour, label="after training", **_AFTER)
    axes.plot(beside, last["test_accuracy"], color=colour, label="test", zorder=3, **_TEST)


def _keys(chance: bool, has_target: bool) -> list[Artist]:
    keys: list[Artist] = [
        Line2D([], [], color=style.SUBDUED, label="training"),
        Line2D([], [], color=style.SUBDUED, label="after training", **_AFTER),
        Line2D([], [], color=style.SUBDUED, label="test", **_TEST),
    ]
    if chance:
        keys.append(Line2D([], [], label="chance", **_CHANCE))
    if has_target:
        keys.append(Line2D([], [], label="asked for", **_TARGET))
    return keys
