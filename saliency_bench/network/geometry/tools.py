"""What the rules of operations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from saliency_bench.network.geometry.axes import (
    Axes,
    Axis,
    as_line,
    is_lost,
    is_place,
    is_placed,
    length,
    lines,
    lost,
    plain,
)
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS, Line
from saliency_bench.network.geometry.shapes import Untold, computed

BATCH = 15_485_863
"""Stands for the unknown number of images: a prime that no other axis has as a factor."""

OPEN = -1
"""Stands for a size that follows from the others."""

Inputs = Mapping[int, Axes]
Shape = tuple[int, ...]


def lose(shape: Shape) -> Axes:
    """Axes of which nothing is known but the batch."""
    return tuple(plain(size) if size == BATCH else lost(size) for size in shape)


def data(inputs: Inputs, index: int = 0) -> Axes:
    """The axes of an input; `Untold` if it does not depend on the images."""
    if index not in inputs:
        raise Untold
    return inputs[index]


def has_images(axis: Axis) -> bool:
    """Whether the images of the batch lie along an axis, perhaps with other values."""
    return length(axis) > 0 and length(axis) % BATCH == 0


def static(tensor: Any) -> Any:
    """The value of a constant tensor; `Untold` if it is none."""
    value = tf.get_static_value(tensor)
    if value is None:
        raise Untold
    return value.tolist()


def numbers(tensor: Any) -> Any:
    """The value of a tensor that is computed from constants and sizes; `Untold` if it is not."""
    return computed(tensor, lambda source: [BATCH if n is None else n for n in source.shape])


def require_whole(axis: Axis, kept: Axes = ()) -> None:
    """Raise `Untold` if an axis is summed up that sees a part of the picture only.

    Args:
        axis: the axis.
        kept: the axes of the result: a direction in which one of them lies is still told.
    """
    told = {line.direction for other in kept for line in lines(other)}
    if is_lost(axis) or any(_is_cut(axis, direction) for direction in {ROWS, COLUMNS} - told):
        raise Untold


def _is_cut(axis: Axis, direction: str) -> bool:
    cuts = [line.cut for line in lines(axis) if line.direction == direction]
    return bool(cuts) and max(map(min, zip(*cuts, strict=True))) > 0


def leave(axis: Axis, index: int | None) -> None:
    """Raise `Untold` if one of several places is taken out, of which no axis is left.

    Args:
        axis: from which a value is taken.
        index: of the value; None: nothing tells.
    """
    if not is_placed(axis) or length(axis) == 1:
        return
    if index is None or is_lost(axis) or is_place(axis, index % length(axis)):
        raise Untold


def attribute(op: Any, name: str, default: Any = None) -> Any:
    """A setting of an operation; the default if it has none of this name."""
    try:
        return op.get_attr(name)
    except ValueError:
        return default


def einsum_letters(op: Any) -> tuple[list[str], str]:
    """A letter for each axis of each input and of the output; those of an ellipsis are capitals."""
    terms, output = op.get_attr("equation").decode().split("->")
    inputs = terms.split(",")
    ranks = [
        tensor.shape.rank - len(term.replace("...", ""))
        for term, tensor in zip(inputs, op.inputs, strict=True)
        if "..." in term
    ]
    free = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in terms][: max(ranks, default=0)]
    whole = [
        term.replace("...", "".join(free[len(free) - (tensor.shape.rank - len(term) + 3) :]))
        for term, tensor in zip(inputs, op.inputs, strict=True)
    ]
    return whole, output.replace("...", "".join(free))


def moved(axis: Axis, size: int, move: Callable[..., Line] | None = None, *settings: Any) -> Axis:
    """An axis that gets another size.

    Args:
        axis: the axis.
        size: its new size.
        move: from its line and settings to its new line; None: nothing tells.
        settings: of `move`.
    """
    if not is_placed(axis):
        return plain(size)
    line = as_line(axis)
    return lost(size) if line is None or move is None else (move(line, *settings),)


def fitted(axes: Axes, shape: Shape) -> Axes:
    """Axes of a tensor; where they are longer or shorter than it, the place is lost."""
    if len(axes) != len(shape):
        return lose(shape)
    return tuple(_fit(axis, size) for axis, size in zip(axes, shape, strict=True))


def _fit(axis: Axis, size: int) -> Axis:
    if size in (BATCH, OPEN, length(axis)):
        return axis
    return plain(size) if length(axis) == 1 else moved(axis, size)
