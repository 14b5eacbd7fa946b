"""Colour bars of maps, each in units of its own 99th percentile of |m|."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from saliency_bench.report.figures.palette import Palette

_LEFT, _APART, _WIDE = 0.55, 1.55, 1.0  # inches, and so are the next two
_UP, _TALL = 0.3, 0.07
_NAMES = {-1: "-p99", 0: "0", 1: "p99"}


def add(figure: Figure, palettes: Sequence[Palette]) -> None:
    """Add a bar for each palette at the foot of a figure, which needs .6 inches there."""
    width, height = figure.get_size_inches()
    for place, colours in enumerate(palettes):
        left = (_LEFT + _APART * place) / width
        axes = figure.add_axes((left, _UP / height, _WIDE / width, _TALL / height))
        shades = ScalarMappable(Normalize(colours.low, 1), colours.colours)
        bar = figure.colorbar(shades, cax=axes, orientation="horizontal")
        ticks = [tick for tick in _NAMES if tick >= colours.low]
        bar.set_ticks(ticks, labels=[_NAMES[tick] for tick in ticks])
        axes.set_title(colours.label, fontsize=7, pad=2)
