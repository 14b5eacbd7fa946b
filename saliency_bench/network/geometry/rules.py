"""How operations move values: from the axes of their inputs to those of their outputs.

Each rule takes an operation, the axes of those inputs that depend on the images, by index, and the
shape of an output. It raises `Untold` where the graph does not tell how the values move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from saliency_bench.network.geometry import windows
from saliency_bench.network.geometry.receptive_fields import (
    Axes,
    Axis,
    Line,
    is_placed,
    length,
    lost,
    merged,
    plain,
    regrouped,
)
from saliency_bench.network.geometry.shapes import Untold
from saliency_bench.network.geometry.tools import (
    BATCH,
    OPEN,
    Inputs,
    Shape,
    data,
    einsum_letters,
    moved,
    numbers,
    require_whole,
    static,
)


def _pointwise(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    result = []
    for place in range(-len(shape), 0):
        own = [axes[place] for axes in inputs.values() if len(axes) >= -place]
        result.append(merged(own) if own else plain(shape[place]))
    return tuple(result)


def _reshape(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = data(inputs)
    # One size follows from the others: the number of images, or what is given as -1.
    open_ = OPEN if OPEN in shape else BATCH
    held, named = (np.prod(sizes, dtype=object) for sizes in (
        [length(axis) for axis in axes], [size for size in shape if size != open_]
    ))  # fmt: skip
    return regrouped(axes, [held // named if size == open_ else size for size in shape])


def _transpose(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = data(inputs)
    return tuple(axes[axis] for axis in numbers(op.inputs[1]))


def _reduce(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = data(inputs)
    gone = {axis % len(axes) for axis in np.atleast_1d(static(op.inputs[1]))}
    if op.get_attr("keep_dims"):
        return tuple(
            moved(axis, 1, Line.united) if place in gone else axis
            for place, axis in enumerate(axes)
        )
    for place in gone:
        require_whole(axes[place])
    return tuple(axis for place, axis in enumerate(axes) if place not in gone)


def _reverse(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = data(inputs)
    turned = {axis % len(axes) for axis in static(op.inputs[1])}
    return tuple(
        moved(axis, length(axis)) if place in turned else axis for place, axis in enumerate(axes)
    )


def _pack(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = [merged(own) for own in zip(*inputs.values(), strict=True)]
    place = op.get_attr("axis") % len(shape)
    return (*axes[:place], plain(shape[place]), *axes[place:])


def _slice(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    return _cut(data(inputs), [(first, 1) for first in static(op.inputs[1])], shape)


def _cut(axes: Axes, parts: Sequence[tuple[int, int]], shape: Shape) -> Axes:
    """Each axis from its first position on, in its steps."""
    return tuple(
        axis
        if step == 1 and size in (BATCH, length(axis))
        else moved(axis, size, None if step < 1 else Line.part, first, size, step)
        for axis, (first, step), size in zip(axes, parts, shape, strict=True)
    )


def _strided_slice(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = list(data(inputs))
    begins, steps = tf.get_static_value(op.inputs[1]), static(op.inputs[3])
    masks = {
        name: op.get_attr(f"{name}_mask")
        for name in ("begin", "ellipsis", "new_axis", "shrink_axis")
    }
    has = {name: [bool(mask >> i & 1) for i in range(len(steps))] for name, mask in masks.items()}
    own = len(steps) - sum(has["new_axis"]) - sum(has["ellipsis"])
    kept: list[Axis] = []
    parts: list[tuple[int, int]] = []
    for i, step in enumerate(steps):
        if has["new_axis"][i]:
            kept, parts = [*kept, plain(1)], [*parts, (0, 1)]
        elif has["ellipsis"][i]:
            rest = len(axes) - own
            kept, parts = [*kept, *axes[:rest]], [*parts, *[(0, 1)] * rest]
            del axes[:rest]
        else:
            axis, own = axes.pop(0), own - 1
            if has["shrink_axis"][i]:
                _leave(axis)
                continue
            known = 0 if has["begin"][i] else None if begins is None else int(begins[i])
            moves = is_placed(axis) and known is None
            kept = [*kept, lost(length(axis)) if moves else axis]
            parts = [*parts, ((known or 0) % max(length(axis), 1), step)]
    kept, parts = [*kept, *axes], [*parts, *[(0, 1)] * len(axes)]
    return _cut(tuple(kept), parts, shape)


def _leave(axis: Axis) -> None:
    """Raise `Untold` if one of several places is taken out, of which no axis is left."""
    if is_placed(axis) and length(axis) > 1:
        raise Untold


def _split(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    return data(inputs, 1 if op.type == "Split" else 0)


def _concat(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    along = static(op.inputs[len(op.inputs) - 1]) % len(shape)
    columns = list(zip(*inputs.values(), strict=True))
    return tuple(
        moved(next(filter(is_placed, own), own[0]), size) if place == along else merged(own)
        for place, (own, size) in enumerate(zip(columns, shape, strict=True))
    )


def _tile(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    return data(inputs)


def _unpack(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes, gone = data(inputs), op.get_attr("axis")
    _leave(axes[gone])
    return tuple(axis for place, axis in enumerate(axes) if place != gone % len(axes))


def _gather(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes, indices = data(inputs), np.asarray(static(op.inputs[1]))
    place = static(op.inputs[2]) % len(axes)
    if indices.ndim > 1 or op.get_attr("batch_dims") or (indices < 0).any():
        raise Untold
    if indices.ndim == 0:
        _leave(axes[place])
        return tuple(axis for at, axis in enumerate(axes) if at != place)
    steps = set(np.diff(indices).tolist()) or {1}
    parts = [(0, 1)] * len(axes)
    parts[place] = (int(indices[0]), steps.pop() if len(steps) == 1 else 0)
    return _cut(axes, parts, shape)


def _matmul(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """The rows of the left factor, the columns of the right one."""
    names = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    left, right = (op.get_attr(name) for name in names)
    for index, axis in ((0, -2 if left else -1), (1, -1 if right else -2)):
        if index in inputs:
            require_whole(inputs[index][axis])
    rows = inputs[0][-1 if left else -2] if 0 in inputs else plain(shape[-2])
    columns = inputs[1][-2 if right else -1] if 1 in inputs else plain(shape[-1])
    around = _pointwise(op, {i: axes[:-2] for i, axes in inputs.items()}, shape[:-2])
    return (*around, rows, columns)


def _einsum(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    terms, output = einsum_letters(op)
    named: dict[str, list[Axis]] = {}
    for index, letters in enumerate(terms):
        for letter, axis in zip(letters, inputs.get(index, ()), strict=False):
            named.setdefault(letter, []).append(axis)
    for letter in named.keys() - set(output):
        require_whole(merged(named[letter]))
    axes = [
        merged(named[letter]) if letter in named else plain(size)
        for letter, size in zip(output, shape, strict=True)
    ]
    return tuple(axes)


POINTWISE = (
    "Abs", "Add", "AddN", "AddV2", "BiasAdd", "BroadcastTo", "Cast", "Ceil", "CheckNumerics",
    "ClipByValue", "Cos", "DivNoNan", "Elu", "Erf", "Erfc", "Exp", "Expm1", "Floor",
    "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Identity", "IdentityN", "LRN",
    "LeakyRelu", "Log", "Log1p", "LogSoftmax", "Maximum", "Minimum", "Mul", "MulNoNan", "Neg",
    "Pow", "PreventGradient", "RealDiv", "Reciprocal", "Relu", "Relu6", "Rint", "Round", "Rsqrt",
    "Select", "SelectV2", "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign",
    "Sqrt", "Square", "SquaredDifference", "StopGradient", "Sub", "Tanh",
)  # fmt: skip
"""Operations whose values lie where the values lie from which they are computed."""

RULES: Mapping[str, Callable[[Any, Inputs, Shape], Axes]] = {
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(("Max", "Mean", "Min", "Prod", "Sum", "EuclideanNorm"), _reduce),
    **dict.fromkeys(("AvgPool", "Conv2D", "DepthwiseConv2dNative", "MaxPool"), windows.slide),
    **dict.fromkeys(("ExpandDims", "Reshape", "Squeeze"), _reshape),
    **dict.fromkeys(("MirrorPad", "Pad", "PadV2"), windows.pad),
    **dict.fromkeys(("ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"), windows.resize),
    **dict.fromkeys(("Split", "SplitV"), _split),
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "MatMul"), _matmul),
    "BatchToSpaceND": windows.from_batch,
    "ConcatV2": _concat,
    "Conv2DBackpropInput": windows.slide_back,
    "Einsum": _einsum,
    "GatherV2": _gather,
    "Pack": _pack,
    "ReverseV2": _reverse,
    "Slice": _slice,
    "SpaceToBatchND": windows.to_batch,
    "StridedSlice": _strided_slice,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unpack": _unpack,
}
