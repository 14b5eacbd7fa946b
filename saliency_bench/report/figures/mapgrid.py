"""The maps of one image: a row per explainer, a column per stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from saliency_bench.report import view
from saliency_bench.report.figures import colour_bars, style
from saliency_bench.report.figures.palette import (
    Array,
    Palette,
    emptiness,
    palette,
    plane,
    scaled,
)
from saliency_bench.results import Results

MOST_STAGES = 8
"""Most stages of a cascade that are shown, spaced evenly; more would be too small."""

_CELL = 0.85  # inches, and so are the next eight
_SMALLEST = 0.45
_TALLEST = 8.5
_UPRIGHT = 0.58
_LEFT = 1.0
_TITLE = 0.4
_BOTTOM = 0.62
_LINE = 0.125
_NARROWEST = 3.5
_GAP = 0.06  # share of a cell
_BREAK = 0.3  # share of a cell, between the explainers and the controls


@mpl.rc_context(style.STYLE)
def map_figure(results: Results, check: str, image: int) -> Figure:
    """The maps of example `image`: the input, the untouched map, then the cascade's stages.

    Args:
        results: of the run.
        check: name of the check.
        image: index of the example.

    Raises:
        ValueError: if the run has no examples.
    """
    examples = results.examples
    if examples is None:
        raise ValueError("a figure of maps needs a run with examples, got none")
    maps, conditions = examples.maps[check], examples.conditions.get(check, {})
    stages = _shown_stages(maps)
    names = [conditions.get(stage, f"stage {stage}") for stage in stages[1:]]
    untouched = view.expectation(results, check).words.untouched
    controls = [name for name in maps if name in view.controls(results)]
    rows = {n: float(i) for i, n in enumerate(n for n in maps if n not in controls)}
    rows |= {n: i + _BREAK for i, n in enumerate(controls, start=len(rows))}
    pixels = examples.pictures(check)[image]
    figure, axes = _canvas(
        heads=["input", untouched, *names],
        depth=max(rows.values()) + 1,
        shape=pixels.shape[0] / pixels.shape[1],
    )
    palettes: list[Palette] = []
    for name, row in rows.items():
        palettes.append(palette(signed=view.signed(results, name)))
        _show_input(axes, row, pixels)
        for column, stage in enumerate(stages, start=1):
            if stage in maps[name]:
                _show_map(axes, row, column, plane(maps[name][stage][image]), palettes[-1])
    _name_rows(axes, rows, controls)
    colour_bars.add(figure, list(dict.fromkeys(palettes)))
    title = style.entitle(figure, check, examples.title(check, image))
    title.set_y(1 - 0.06 / figure.get_figheight())
    return figure


def _shown_stages(maps: Mapping[str, Mapping[int, object]]) -> list[int]:
    later = sorted({stage for by_stage in maps.values() for stage in by_stage} - {0})
    return [0, *(later[i] for i in style.spread(len(later), MOST_STAGES))]


def _canvas(heads: list[str], depth: float, shape: float) -> tuple[Figure, Axes]:
    """Axes in units of cells: as many columns as `heads`, `depth` rows of height over width."""
    cell = min((style.WIDTH - _LEFT - 0.05) / len(heads), _CELL)
    cell = min(cell, max(_TALLEST / (depth * shape), _SMALLEST))
    if upright := cell < _UPRIGHT:
        texts = [style.shortened(head, style.NAME) for head in heads]
        top = _TITLE + 0.05 + style.CHARACTER * max(map(len, texts))
    else:
        texts = [style.wrapped(head, int(cell / style.CHARACTER)) for head in heads]
        top = _TITLE + _LINE * max(text.count("\n") + 1 for text in texts)
    wide, tall = cell * len(heads), cell * shape * depth
    width, height = max(_LEFT + wide + 0.05, _NARROWEST), top + tall + _BOTTOM
    figure = style.new_figure(width, height)
    place = (_LEFT / width, _BOTTOM / height, wide / width, tall / height)
    axes = figure.add_axes(place, xlim=(0, len(heads)), ylim=(depth, 0))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=2, labelbottom=False, labeltop=True)
    axes.set_xticks(np.arange(len(heads)) + 0.5, texts, rotation=90 if upright else 0)
    return figure, axes


def _box(row: float, column: int) -> tuple[float, float, float, float]:
    half = _GAP / 2
    return (column + half, column + 1 - half, row + 1 - half, row + half)


def _show_input(axes: Axes, row: float, pixels: Array) -> None:
    # Only three channels are colours; any other number of channels is shown as the mean.
    coloured = pixels.shape[-1] == 3
    picture = np.clip(pixels if coloured else pixels.mean(axis=-1), 0, 1)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=_box(row, 0), aspect="auto")


def _show_map(axes: Axes, row: float, column: int, values: Array, colours: Palette) -> None:
    if why := emptiness(values):
        show_empty(axes, _box(row, column), why)
        return
    axes.imshow(
        np.ma.masked_invalid(scaled(values)),
        cmap=colours.colours,
        vmin=colours.low,
        vmax=1,
        extent=_box(row, column),
        aspect="auto",
    )


def show_empty(axes: Axes, box: tuple[float, float, float, float], why: str) -> None:
    """Hatch the place of a map that shows nothing, and say why in few words.

    Args:
        axes: where.
        box: left, right, bottom and top.
        why: see `palette.emptiness`.
    """
    left, right, bottom, top = box
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": style.SUBDUED, "hatch": "/////"}
    axes.fill_between([left, right], top, bottom, **look)
    word, *rest = why.removesuffix(" everywhere").split(": ")
    axes.text(
        (left + right) / 2, (top + bottom) / 2, "\n".join([*word.split(), *rest]),
        ha="center", va="center", fontsize=5.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _name_rows(axes: Axes, rows: Mapping[str, float], controls: list[str]) -> None:
    width = int(_LEFT / style.CHARACTER) - 1
    axes.set_yticks([row + 0.5 for row in rows.values()], [style.wrapped(n, width) for n in rows])
    style.subdue(axes.get_yticklabels(), [name in controls for name in rows])
    # imshow sets the limits to the last picture.
    axes.set_xlim(0, len(axes.get_xticks()))
    axes.set_ylim(max(rows.values()) + 1, 0)
