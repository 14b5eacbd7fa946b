"""Layouts of feature maps: which axes of a tensor are images, places and channels."""

from __future__ import annotations

from saliency_bench.network.geometry.axes import (
    Axes,
    Axis,
    Joined,
    is_lost,
    is_placed,
    length,
    lines,
    places,
)
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS, Line
from saliency_bench.network.geometry.tools import BATCH


def grid_of(axes: Axes | None, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Rows and columns of a tensor; None if it is no feature map.

    Args:
        axes: of the tensor.
        shape: `(H, W, C)` of the picture.
    """
    if axes is None or not has_places(axes) or order_of(axes) is None:
        return None
    return side(axes, ROWS, shape[0]).size, side(axes, COLUMNS, shape[1]).size


def has_places(axes: Axes | None) -> bool:
    """Whether a tensor has values at more than one place: beside images and channels, an axis."""
    if axes is None or len(axes) < 3:
        return False
    placed = [axis for axis in axes if is_placed(axis)]
    found = [line.size for axis in placed for line in lines(axis)]
    return any(map(is_lost, placed)) or any(size > 1 for size in found)


def is_tiled(axes: Axes | None) -> bool:
    """Whether positions see patches of the picture, side by side."""
    found = [line for axis in axes or () for line in places(axis).lines]
    return bool(found) and all(line.stride == line.field > 1 for line in found)


def order_of(axes: Axes) -> tuple[int, ...] | None:
    """The axes of images, places and channels; None if they are not of these kinds."""
    placed = [place for place, axis in enumerate(axes) if is_placed(axis)]
    others = [place for place in range(1, len(axes)) if place not in placed]
    directions = [line.direction for place in placed for line in places(axes[place]).lines]
    if length(axes[0]) != BATCH or len(others) != 1 or len(set(directions)) != len(directions):
        return None
    if len(placed) == 2 and len(directions) == 2:
        if any(places(axes[place]).size != length(axes[place]) for place in placed):
            return None
        return 0, *(placed[directions.index(direction)] for direction in (ROWS, COLUMNS)), others[0]
    if len(placed) == 1 and directions in ([ROWS, COLUMNS], [ROWS], [COLUMNS]):
        return 0, placed[0], others[0]
    return None


def side(axes: Axes, direction: str, size: int) -> Line:
    """The line of rows or of columns; the whole picture if there is none."""
    every = [line for axis in axes for line in places(axis).lines]
    found = [line for line in every if line.direction == direction]
    return found[0] if found else Line.pixels(direction, size).united()


def another_order(axes: Axes) -> str:
    """In words, how places lie that the graph tells, and that are no rows and columns."""
    directions = [line.direction for axis in axes for line in places(axis).lines]
    if any(map(_is_in_pieces, axes)):
        how = "in pieces"
    else:
        how = "column by column" if directions == [COLUMNS, ROWS] else "in another order"
    return f"lie in the picture {how}, not row by row in one piece; grid= does not change it"


def _is_in_pieces(axis: Axis) -> bool:
    return not places(axis).lines and any(isinstance(factor, Joined) for factor in axis)
