"""Which positions of an axis an operation takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from saliency_bench.network.geometry.shapes import Untold
from saliency_bench.network.geometry.tools import numbers


def taken(op: Any, place: int, output: int) -> list[int] | None:
    """The positions along an axis of an operation's data that are in one of its outputs.

    Args:
        op: the operation.
        place: the axis.
        output: index of the output.

    Returns:
        None if it is no operation that takes positions, or does not say which while it is traced.
    """
    if op.type not in _TAKERS:
        return None
    data = op.inputs[1] if op.type == "Split" else op.inputs[0]
    positions = np.arange(data.shape[place])
    try:
        return [int(i) for i in np.atleast_1d(_TAKERS[op.type](op, positions, place, output))]
    except Untold:
        return None


def _strided(op: Any, positions: Any, place: int, output: int) -> Any:
    begins, ends, steps = (numbers(tensor) for tensor in op.inputs[1:])
    for axis, index in _indices(op, len(steps)):
        if axis == place:
            if op.get_attr("shrink_axis_mask") >> index & 1:
                return positions[begins[index]]
            begin = None if op.get_attr("begin_mask") >> index & 1 else begins[index]
            end = None if op.get_attr("end_mask") >> index & 1 else ends[index]
            return positions[begin : end : steps[index]]
    return positions


def _indices(op: Any, count: int) -> list[tuple[int, int]]:
    """Each axis of the data that a slice names, and the number of its entry."""
    new, ellipsis = op.get_attr("new_axis_mask"), op.get_attr("ellipsis_mask")
    entries = [index for index in range(count) if not new >> index & 1]
    named: list[tuple[int, int]] = []
    axis = 0
    for index in entries:
        if ellipsis >> index & 1:
            axis = op.inputs[0].shape.rank - (len(entries) - 1 - entries.index(index))
        else:
            named.append((axis, index))
            axis += 1
    return named


def _slice(op: Any, positions: Any, place: int, output: int) -> Any:
    first, size = numbers(op.inputs[1])[place], op.outputs[0].shape[place]
    if size is None:
        raise Untold
    return positions[first : first + size]


def _gather(op: Any, positions: Any, place: int, output: int) -> Any:
    axis = int(numbers(op.inputs[2])) % op.inputs[0].shape.rank
    return positions[numbers(op.inputs[1])] if axis == place else positions


def _split(op: Any, positions: Any, place: int, output: int) -> Any:
    data, along = op.inputs[::-1] if op.type == "Split" else (op.inputs[0], op.inputs[2])
    if int(numbers(along)) % data.shape.rank != place:
        return positions
    sizes: Sequence[int] = [tensor.shape[place] for tensor in op.outputs]
    first = sum(sizes[:output])
    return positions[first : first + sizes[output]]


def _unpack(op: Any, positions: Any, place: int, output: int) -> Any:
    axis = op.get_attr("axis") % op.inputs[0].shape.rank
    return positions[output] if axis == place else positions


_TAKERS: Mapping[str, Callable[[Any, Any, int, int], Any]] = {
    "GatherV2": _gather,
    "Slice": _slice,
    "Split": _split,
    "SplitV": _split,
    "StridedSlice": _strided,
    "Unpack": _unpack,
}
