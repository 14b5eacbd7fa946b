"""A grid of maps; text states what the colours do not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from saliency_bench.plot.canvas import Cell, Column, Key, draw
from saliency_bench.plot.overlays import blend, overlay, to_display
from saliency_bench.plot.scales import PERCENTILE, Array, Scale, plane, scale
from saliency_bench.report.figures import style
from saliency_bench.report.figures.palette import SIGNED, Palette, emptiness

_MID_GREY = 0.75  # ground of the colour key, if maps lie over images
_FAR = 0.5  # share of the scale: if all values lie above, the smallest one is written

Images = Sequence[NDArray[Any]] | NDArray[Any]
Maps = Sequence[Array] | Array
Given = Mapping[str, Maps | str]


@dataclass(frozen=True)
class _Look:
    """The settings of `grid`."""

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
    """Draw a grid: a row per image, a column per explainer; text states where the colours end.

    Args:
        images: `[H, W]` or `[H, W, C]` each, uint8 or floats in [0, 1]: display units.
        maps: by explainer, a map `[H, W]` or `[H, W, C']` per image, or a text instead of maps.
        titles: one per image, written below it.
        percentile: percentile of the absolute values at which the colours end, in (0, 100].
        opacity: above 0, maps lie over their image as in `overlay`; at 0 there is no image.
        shared: whether all maps of an explainer share a scale; otherwise each has its own.

    Raises:
        ValueError: if a number, shape, value or setting does not fit.
    """
    look = _Look(percentile, opacity, shared)
    _check(len(images), maps, titles)
    pixels = [to_display(image) for image in images]
    labels = [*titles] or [""] * len(pixels)
    inputs = [Cell(picture, label) for picture, label in zip(pixels, labels, strict=True)]
    columns = [_column(name, given, pixels, look) for name, given in maps.items()]
    return draw([Column("input", inputs), *columns], _note(columns, look), _keys(columns, look))


def _check(count: int, maps: Given, titles: Sequence[str]) -> None:
    if not count or not maps:
        raise ValueError(f"a grid must have images and maps; got {count} and {len(maps)}")
    if titles and len(titles) != count:
        raise ValueError(f"titles must be one per image, {count}; got {len(titles)}")
    for name, given in maps.items():
        if not isinstance(given, str) and len(given) != count:
            raise ValueError(f"maps must be one per image, {count}; got {len(given)} of {name}")


def _column(name: str, given: Maps | str, pixels: Sequence[Array], look: _Look) -> Column:
    if isinstance(given, str):
        return Column(name, [Cell(None, given) for _ in pixels])
    common = scale(given, percentile=look.percentile)
    planes = zip(map(plane, given), pixels, strict=True)
    return Column(name, [_cell(values, image, common, look) for values, image in planes])


def _cell(values: Array, image: Array, common: Scale | None, look: _Look) -> Cell:
    own = scale([values], percentile=look.percentile)
    if own is None or common is None:
        return Cell(None, emptiness(values))
    # One palette per explainer, even for a map of it without negative values.
    used = common if look.shared else Scale(common.palette, own.end, own.sparse)
    over = overlay(image, values, opacity=look.opacity, like=used) if look.opacity else None
    return Cell(used.painted(values) if over is None else over, _ends(used, values), used, values)


def _ends(used: Scale, values: Array) -> str:
    """Where the colours end, and the smallest value if it is too large to see differences."""
    least = np.nanmin(np.where(np.isfinite(values), values, np.nan))
    return f"{used}\nsmallest {least:.2g}" if least > _FAR * used.end else str(used)


def _note(columns: Sequence[Column], look: _Look) -> str:
    """What a reader must know about the colours."""
    cells = [cell for column in columns for cell in column.cells if cell.scale is not None]
    apart = "explainers" if look.shared else "maps"
    whose = (
        "The maps of an explainer share a scale" if look.shared else "Each map has its own scale"
    )
    lines = [f"{whose}, written below: sizes cannot be compared between {apart}."]
    lines.append("Channels are summed.")
    if look.percentile == 100:
        lines.append("The colours end at the largest |map|: nothing is clipped.")
    else:
        lines.append(f"Clipped at the {ordinal(look.percentile)} percentile of |map|.")
    if any(cell.scale.sparse for cell in cells if cell.scale):
        lines.append("(max): this percentile is 0, so the colours end at the largest |map|.")
    if look.opacity:
        lines.append("Maps lie over the image in grey; values near 0 are transparent.")
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
    strip = blend(ground, ramp, unit, look.opacity) if look.opacity else unit.painted(ramp)
    end = "max" if look.percentile == 100 else f"p{look.percentile:g}"
    return Key(colours.label, strip, (f"-{end}", "0", end) if colours is SIGNED else ("0", end))


def ordinal(number: float) -> str:
    """A number as an ordinal: 1st, 2nd, 11th, 99th, 99.5th."""
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(int(number) % 10, "th")
    regular = number == int(number) and int(number) % 100 not in (11, 12, 13)
    return f"{number:g}{suffix if regular else 'th'}"
