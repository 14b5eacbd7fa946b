"""How operations move values: from the axes of their inputs to those of their outputs.

Each rule takes an operation, the axes of those inputs that depend on the images, by index, and the
shape of an output. It raises `Untold` where the graph does not tell how the values move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from saliency_bench.network.geometry import selections, windows
from saliency_bench.network.geometry.axes import (
    Axes,
    Axis,
    length,
    merged,
    plain,
)
from saliency_bench.network.geometry.receptive_fields import Line
from saliency_bench.network.geometry.regroup import regrouped
from saliency_bench.network.geometry.shapes import Untold
from saliency_bench.network.geometry.tools import (
    BATCH,
    OPEN,
    Inputs,
    Shape,
    data,
    einsum_letters,
    has_images,
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
    kept = tuple(axis for place, axis in enumerate(axes) if place not in gone)
    for place in gone:
        require_whole(axes[place], kept)
    return kept


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


def _tile(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """Copies of all images are groups of them; other copies lie where the values lie."""
    axes, counts = data(inputs), tf.get_static_value(op.inputs[1])
    if counts is None:
        return axes
    return tuple(
        (*plain(int(count)), *axis) if has_images(axis) and count > 1 else axis
        for axis, count in zip(axes, counts, strict=True)
    )


def _matmul(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """The rows of the left factor, the columns of the right one."""
    names = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    left, right = (op.get_attr(name) for name in names)
    rows = inputs[0][-1 if left else -2] if 0 in inputs else plain(shape[-2])
    columns = inputs[1][-2 if right else -1] if 1 in inputs else plain(shape[-1])
    around = _pointwise(op, {i: axes[:-2] for i, axes in inputs.items()}, shape[:-2])
    result = *around, rows, columns
    for index, axis in ((0, -2 if left else -1), (1, -1 if right else -2)):
        if index in inputs:
            require_whole(inputs[index][axis], result)
    return result


def _einsum(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    terms, output = einsum_letters(op)
    named: dict[str, list[Axis]] = {}
    for index, letters in enumerate(terms):
        for letter, axis in zip(letters, inputs.get(index, ()), strict=False):
            named.setdefault(letter, []).append(axis)
    result = tuple(
        merged(named[letter]) if letter in named else plain(size)
        for letter, size in zip(output, shape, strict=True)
    )
    for letter in named.keys() - set(output):
        require_whole(merged(named[letter]), result)
    return result


def _filled(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """Constants in the shape of a tensor."""
    return tuple(map(plain, shape))


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
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "MatMul"), _matmul),
    **dict.fromkeys(("OnesLike", "ZerosLike"), _filled),
    "BatchToSpaceND": windows.from_batch,
    "ConcatV2": selections.concat,
    "Conv2DBackpropInput": windows.slide_back,
    "Einsum": _einsum,
    "ExtractImagePatches": windows.slide,
    "GatherV2": selections.gather,
    "Pack": _pack,
    "ReverseV2": _reverse,
    "Roll": selections.roll,
    "Slice": selections.block,
    "SpaceToBatchND": windows.to_batch,
    "SpaceToDepth": windows.to_channels,
    "StridedSlice": selections.stride,
    "Tile": _tile,
    "Transpose": _transpose,
}

PARTS: Mapping[str, Callable[[Any, Inputs, int], Axes]] = {
    **dict.fromkeys(("Split", "SplitV"), selections.split),
    "Unpack": selections.unpack,
}
"""Operations of which each output, by its index, is another part of the input."""


def output_axes(tensor: Any, inputs: Inputs, shape: Shape) -> Axes:
    """The axes of an operation's output.

    Args:
        tensor: the output.
        inputs: the axes of those inputs that depend on the images, by index.
        shape: of the output.

    Raises:
        Untold: if the graph does not tell how the values move.
    """
    op = tensor.op
    if op.type in PARTS:
        return PARTS[op.type](op, inputs, tensor.value_index)
    if op.type not in RULES:
        raise Untold
    return RULES[op.type](op, inputs, shape)
