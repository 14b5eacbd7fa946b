"""How operations move values: from the axes of their inputs to those of their outputs.

Each rule takes an operation, the axes of those inputs that depend on the images, by index, and the
shape of an output. It raises `Untold` where the graph does not tell how the values move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from saliency_bench.network.geometry import windows
from saliency_bench.network.geometry.receptive_fields import (
    Axes,
    Axis,
    Line,
    is_placed,
    length,
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
    moved,
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
    return tuple(axes[axis] for axis in static(op.inputs[1]))


def _reduce(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = data(inputs)
    gone = {axis % len(axes) for axis in np.atleast_1d(static(op.inputs[1]))}
    if op.get_attr("keep_dims"):
        return tuple(
            moved(axis, 1, Line.united) if place in gone else axis
            for place, axis in enumerate(axes)
        )
    return tuple(axis for place, axis in enumerate(axes) if place not in gone)


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
    if op.get_attr("ellipsis_mask") or op.get_attr("new_axis_mask"):
        raise Untold
    axes, steps = data(inputs), static(op.inputs[3])
    given = range(len(steps))
    kept = [place for place in range(len(axes)) if not op.get_attr("shrink_axis_mask") >> place & 1]
    open_ = op.get_attr("begin_mask")
    begins = [0] * len(axes)
    if any(not open_ >> place & 1 and is_placed(axes[place]) for place in given):
        found = static(op.inputs[1])
        begins = [
            0 if place not in given or open_ >> place & 1 else found[place] % length(axes[place])
            for place in range(len(axes))
        ]
    parts = [(begins[place], steps[place] if place in given else 1) for place in kept]
    return _cut(tuple(axes[place] for place in kept), parts, shape)


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
    return tuple(axis for place, axis in enumerate(axes) if place != gone % len(axes))


def _gather(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes, indices = data(inputs), np.asarray(static(op.inputs[1]))
    place = static(op.inputs[2]) % len(axes)
    if indices.ndim == 0:
        return tuple(axis for at, axis in enumerate(axes) if at != place)
    steps = set(np.diff(indices).tolist()) or {1}
    parts = [(0, 1)] * len(axes)
    parts[place] = (int(indices[0]), steps.pop() if len(steps) == 1 else 0)
    return _cut(axes, parts, shape)


def _matmul(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """The rows of the left factor, the columns of the right one."""
    names = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    left, right = (op.get_attr(name) for name in names)
    rows = inputs[0][-1 if left else -2] if 0 in inputs else plain(shape[-2])
    columns = inputs[1][-2 if right else -1] if 1 in inputs else plain(shape[-1])
    around = _pointwise(op, {i: axes[:-2] for i, axes in inputs.items()}, shape[:-2])
    return (*around, rows, columns)


def _einsum(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    equation = op.get_attr("equation").decode()
    if "." in equation:
        raise Untold
    terms, output = equation.split("->")
    named: dict[str, list[Axis]] = {}
    for index, letters in enumerate(terms.split(",")):
        for letter, axis in zip(letters, inputs.get(index, ()), strict=False):
            named.setdefault(letter, []).append(axis)
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
    "Slice": _slice,
    "SpaceToBatchND": windows.to_batch,
    "StridedSlice": _strided_slice,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unpack": _unpack,
}
