"""A grid of maps, with what its colours leave out written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from saliency_bench.plot.canvas import Cell, Column, Key, drawn
from saliency_bench.plot.overlays import blended, displayed, overlay
from saliency_bench.plot.scales import PERCENTILE, Array, Scale, emptiness, plane, scale
from saliency_bench.report.figures import style
from saliency_bench.report.figures.palette import SIGNED, Palette

_MID_GREY = 0.75  # what the strip of colours lies on where maps lie over images
_FAR = 0.5  # of a scale that begins at 0: a map that lies above it all over

Images = Sequence[NDArray[Any]] | NDArray[Any]
Maps = Sequence[Array] | Array
Given = Mapping[str, Maps | str]


@dataclass(frozen=True)
class _Look:
    """How maps are shown: the settings of `grid`."""

    percentile: float
    opacity: float
    shared: bool


@mpl.rc_context(style.STYLE)
def grid(
    images: Images,
    maps: Given,
    *,
    titles: Sequence[str] = (),
    percentile: float = PERCENTILE,
    opacity: float = 0.0,
    shared: bool = False,
) -> Figure:
    """Images down, explainers across; the values at which the colours end are written below.

    Args:
        images: `[H, W]` or `[H, W, C]` each, uint8 or floats in [0, 1]: display units.
        maps: by explainer, a map `[H, W]` or `[H, W, C']` per image, or why there are none.
        titles: one per image, written below it.
        percentile: of the absolute values; the colours end there.
        opacity: above 0, maps lie over their image as in `overlay`; at 0 they stand alone.
        shared: an explainer's maps of all images have one scale, instead of each its own.

    Raises:
        ValueError: if numbers, shapes, values or settings do not fit.
    """
    look = _Look(percentile, opacity, shared)
    _check(len(images), maps, titles)
    pixels = [displayed(image) for image in images]
    labels = [*titles] or [""] * len(pixels)
    inputs = [Cell(shown, label) for shown, label in zip(pixels, labels, strict=True)]
    columns = [_column(name, given, pixels, look) for name, given in maps.items()]
    return drawn([Column("input", inputs), *columns], _note(columns, look), _keys(columns, look))


def _check(count: int, maps: Given, titles: Sequence[str]) -> None:
    if not count or not maps:
        raise ValueError(f"a grid must have images and maps; got {count} and {len(maps)}")
    if titles and len(titles) != count:
        raise ValueError(f"titles must be one per image, {count}; got {len(titles)}")
    for name, given in maps.items():
        if not isinstance(given, str) and len(given) != count:
            raise ValueError(f"maps must be one per image, {count}; {name} has {len(given)}")


def _column(name: str, given: Maps | str, pixels: Sequence[Array], look: _Look) -> Column:
    if isinstance(given, str):
        return Column(name, [Cell(None, given) for _ in pixels])
    common = scale(given, percentile=look.percentile)
    shown = zip(map(plane, given), pixels, strict=True)
    return Column(name, [_cell(values, image, common, look) for values, image in shown])


def _cell(values: Array, image: Array, common: Scale | None, look: _Look) -> Cell:
    own = scale([values], percentile=look.percentile)
    if own is None or common is None:
        return Cell(None, emptiness(values))
    # One explainer, one kind of colours, whether or not this very map has a negative value.
    used = common if look.shared else Scale(common.palette, own.end, own.sparse)
    over = overlay(image, values, opacity=look.opacity, like=used) if look.opacity else None
    return Cell(used.painted(values) if over is None else over, _ends(used, values), used, values)


def _ends(used: Scale, values: Array) -> str:
    """Where the colours end, and the smallest value where it is so large that all looks alike."""
    least = np.nanmin(np.where(np.isfinite(values), values, np.nan))
    return f"{used}\nsmallest {least:.2g}" if least > _FAR * used.end else str(used)


def _note(columns: Sequence[Column], look: _Look) -> str:
    """What a reader must know of the colours."""
    cells = [cell for column in columns for cell in column.cells if cell.scale is not None]
    apart = "explainers" if look.shared else "maps"
    whose = "The maps of an explainer share a scale" if look.shared else "Each map has its scale"
    lines = [f"{whose}, written below: sizes cannot be compared between {apart}."]
    lines.append("Channels are summed.")
    if look.percentile == 100:
        lines.append("The colours end at the largest |map|: nothing is clipped.")
    else:
        lines.append(f"Clipped at the {ordinal(look.percentile)} percentile of |map|.")
    if any(cell.scale.sparse for cell in cells if cell.scale):
        lines.append("(max): that percentile is 0, the colours end at the largest |map|.")
    if look.opacity:
        lines.append("Over the image in grey; the nearer to 0, the more transparent.")
    if any(not np.isfinite(cell.values).all() for cell in cells if cell.values is not None):
        lines.append("Grey: not finite.")
    return " ".join(lines)


def _keys(columns: Sequence[Column], look: _Look) -> list[Key]:
    used = [cell.scale.palette for column in columns for cell in column.cells if cell.scale]
    return [_key(one, look) for one in dict.fromkeys(used)]


def _key(colours: Palette, look: _Look) -> Key:
    ramp = np.linspace(colours.low, 1, 256)[None]
    unit = Scale(colours, 1.0)
    ground = np.full(ramp.shape, _MID_GREY)
    strip = blended(ground, ramp, unit, look.opacity) if look.opacity else unit.painted(ramp)
    end = "max" if look.percentile == 100 else f"p{look.percentile:g}"
    return Key(colours.label, strip, (f"-{end}", "0", end) if colours is SIGNED else ("0", end))


def ordinal(number: float) -> str:
    """1st, 2nd, 11th, 99th, 99.5th."""
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(int(number) % 10, "th")
    regular = number == int(number) and int(number) % 100 not in (11, 12, 13)
    return f"{number:g}{suffix if regular else 'th'}"
