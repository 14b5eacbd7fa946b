"""How operations move values that take parts of a tensor, or put tensors together: see `rules`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from saliency_bench.network.geometry.axes import (
    Axes,
    Axis,
    Plain,
    is_placed,
    joined,
    length,
    lost,
    merged,
    part,
    plain,
)
from saliency_bench.network.geometry.shapes import Untold
from saliency_bench.network.geometry.tools import (
    BATCH,
    OPEN,
    Inputs,
    Shape,
    data,
    has_images,
    leave,
    numbers,
    static,
)

TAKING = frozenset({"GatherV2", "Slice", "Split", "SplitV", "StridedSlice", "Unpack"})
"""Operations that read only what they take."""


def block(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """A slice that begins at a place and has a size."""
    axes = data(inputs)
    firsts, sizes = (_entries(op.inputs[index], len(axes)) for index in (1, 2))
    ends = (
        None if first is None or size in (None, OPEN) else first + size
        for first, size in zip(firsts, sizes, strict=True)
    )
    return tuple(
        _range(axis, slice(first, end), size, known=first is not None)
        for axis, first, end, size in zip(axes, firsts, ends, shape, strict=True)
    )


def stride(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """A slice as NumPy writes it."""
    axes, steps, kept = list(data(inputs)), static(op.inputs[3]), list[Axis]()
    firsts, ends = (_entries(op.inputs[index], len(steps)) for index in (1, 2))
    open_, to_end, rest, new, single = (
        [bool(op.get_attr(f"{name}_mask") >> i & 1) for i in range(len(steps))]
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    )
    for i, (first, end, step) in enumerate(zip(firsts, ends, steps, strict=True)):
        if new[i]:
            kept.append(plain(1))
        elif rest[i]:
            count = len(axes) - new[i + 1 :].count(False)
            kept, axes = [*kept, *axes[:count]], axes[count:]
        elif single[i]:
            leave(axes.pop(0), first)
        else:
            taken = slice(None if open_[i] else first, None if to_end[i] else end, step)
            known = open_[i] or first is not None
            kept.append(_range(axes.pop(0), taken, shape[len(kept)], known=known))
    return *kept, *axes


def _entries(tensor: Any, count: int) -> list[int | None]:
    """The numbers in a vector; None for those that the graph does not tell."""
    value = tf.get_static_value(tensor, partial=True)
    entries = [None] * count if value is None else list(value)
    return [None if entry is None else int(entry) for entry in entries]


def _range(axis: Axis, taken: slice, size: int, *, known: bool) -> Axis:
    """The part of an axis that a slice takes.

    Args:
        axis: the axis.
        taken: the slice.
        size: of the part; `BATCH` where only the slice tells.
        known: whether the graph tells where the slice begins.
    """
    if not is_placed(axis):
        return axis if size in (BATCH, length(axis)) else plain(size)
    if not known:
        return lost(length(axis))
    every = range(*taken.indices(length(axis)))
    count = len(every) if size == BATCH else size
    if every.step < 1:
        return lost(count)
    return axis if count == length(axis) else part(axis, every.start, count, every.step)


def split(op: Any, inputs: Inputs, index: int) -> Axes:
    """One of the pieces into which an axis is cut."""
    axes = data(inputs, 1 if op.type == "Split" else 0)
    along = static(op.inputs[0 if op.type == "Split" else 2]) % len(axes)
    sizes = [tensor.shape[along] for tensor in op.outputs[: index + 1]]
    if None in sizes:
        return *axes[:along], _group(op, axes[along]), *axes[along + 1 :]
    piece = part(axes[along], sum(sizes[:-1]), sizes[-1])
    return *axes[:along], piece, *axes[along + 1 :]


def _group(op: Any, axis: Axis) -> Axis:
    """One of the groups of all images into which an axis is cut; `Untold` if they are none."""
    if op.type != "Split" or axis[:1] != (Plain(len(op.outputs)),) or not has_images(axis[1:]):
        raise Untold
    return axis[1:]


def unpack(op: Any, inputs: Inputs, index: int) -> Axes:
    """One of the tensors that lie along an axis."""
    axes = data(inputs)
    gone = op.get_attr("axis") % len(axes)
    leave(axes[gone], index)
    return *axes[:gone], *axes[gone + 1 :]


def gather(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """Values by their indices."""
    axes, indices = data(inputs), numbers(op.inputs[1])
    along = static(op.inputs[2]) % len(axes)
    if indices.ndim > 1 or op.get_attr("batch_dims") or (indices < 0).any():
        raise Untold
    around = axes[:along], axes[along + 1 :]
    if indices.ndim == 0:
        leave(axes[along], int(indices))
        return *around[0], *around[1]
    steps = set(np.diff(indices).tolist()) or {1}
    step = steps.pop() if len(steps) == 1 else 0
    taken = slice(int(indices[0]), int(indices[0]) + max(step, 1) * len(indices), step or -1)
    piece = _range(axes[along], taken, len(indices), known=True)
    return *around[0], piece, *around[1]


def concat(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """Tensors one behind the other."""
    along = static(op.inputs[len(op.inputs) - 1]) % len(shape)
    pieces = [
        inputs[index][along] if index in inputs else plain(_size(tensor, along))
        for index, tensor in enumerate(list(op.inputs)[:-1])
    ]
    columns = zip(*inputs.values(), strict=True)
    return tuple(
        _end_to_end(pieces, size) if place == along else merged(own)
        for place, (own, size) in enumerate(zip(columns, shape, strict=True))
    )


def _size(tensor: Any, along: int) -> int:
    size = tensor.shape[along]
    if size is None:
        raise Untold
    return int(size)


def _end_to_end(pieces: Sequence[Axis], size: int) -> Axis:
    if len(pieces) > 1 and has_images(pieces[0]) and len(set(pieces)) == 1:
        return Plain(len(pieces)), *pieces[0]
    return joined(pieces) if any(map(is_placed, pieces)) else plain(size)


def roll(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """The end of an axis, then its beginning."""
    axes = list(data(inputs))
    steps, along = (np.atleast_1d(static(op.inputs[index])).tolist() for index in (1, 2))
    for step, place in zip(steps, along, strict=True):
        size = length(axes[place])
        if is_placed(axes[place]) and step % size:
            rest = size - step % size
            pieces = part(axes[place], rest, size - rest), part(axes[place], 0, rest)
            axes[place] = joined(pieces)
    return tuple(axes)
