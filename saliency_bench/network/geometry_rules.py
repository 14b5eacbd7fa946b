"""How operations move values: from the axes of their inputs to those of their outputs.

Each rule takes an operation, the axes of those inputs that depend on the images, by index, and the
shape of an output. It raises `Untold` where the graph does not tell how the values move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import tensorflow as tf

from saliency_bench.network.receptive_fields import (
    Axes,
    Axis,
    Line,
    as_line,
    is_placed,
    length,
    lost,
    merged,
    plain,
    regrouped,
)
from saliency_bench.network.shape_arithmetic import Untold

BATCH = 15_485_863
"""Stands for the unknown number of images: a prime that no other axis has as a factor."""

Inputs = Mapping[int, Axes]
Shape = tuple[int, ...]


def lose(shape: Shape) -> Axes:
    """Axes of which nothing is known but the batch."""
    return tuple(plain(size) if size == BATCH else lost(size) for size in shape)


def _data(inputs: Inputs, index: int = 0) -> Axes:
    if index not in inputs:
        raise Untold
    return inputs[index]


def _static(tensor: Any) -> Any:
    value = tf.get_static_value(tensor)
    if value is None:
        raise Untold
    return value.tolist()


def _attribute(op: Any, name: str, default: Any = None) -> Any:
    try:
        return op.get_attr(name)
    except ValueError:
        return default


def _moved(axis: Axis, size: int, move: Callable[[Line], Line] | None = None) -> Axis:
    """An axis that gets another size; `move` says which positions its line gets."""
    if not is_placed(axis):
        return plain(size)
    line = as_line(axis)
    return lost(size) if line is None or move is None else (move(line),)


def _fitted(axes: Iterable[Axis], shape: Shape) -> Axes:
    """Axes of a tensor; where they were longer or shorter, the place is lost."""
    return tuple(
        axis
        if size in (BATCH, length(axis))
        else plain(size)
        if length(axis) == 1
        else _moved(axis, size)
        for axis, size in zip(axes, shape, strict=True)
    )


def _pointwise(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    result = []
    for place in range(-len(shape), 0):
        own = [axes[place] for axes in inputs.values() if len(axes) >= -place]
        result.append(merged(own) if own else plain(shape[place]))
    return _fitted(result, shape)


def _reshape(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = _data(inputs)
    # One size follows from the others: the number of images, or what is given as -1.
    open_ = -1 if -1 in shape else BATCH
    held, named = (np.prod(sizes, dtype=object) for sizes in (
        [length(axis) for axis in axes], [size for size in shape if size != open_]
    ))  # fmt: skip
    return regrouped(axes, [held // named if size == open_ else size for size in shape])


def _transpose(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = _data(inputs)
    return tuple(axes[axis] for axis in _static(op.inputs[1]))


def _reduce(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes = _data(inputs)
    gone = {axis % len(axes) for axis in np.atleast_1d(_static(op.inputs[1]))}
    if op.get_attr("keep_dims"):
        return tuple(
            _moved(axis, 1, Line.united) if place in gone else axis
            for place, axis in enumerate(axes)
        )
    return tuple(axis for place, axis in enumerate(axes) if place not in gone)


def _slide(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """A window with a kernel, or a pool."""
    result = list(_data(inputs))
    channel = 1 if op.get_attr("data_format").startswith(b"NC") else len(shape) - 1
    spatial = [place for place in range(1, len(shape)) if place != channel]
    result[channel] = plain(shape[channel])
    for place, width in zip(spatial, _widths(op, spatial), strict=True):
        stride, size = op.get_attr("strides")[place], shape[place]
        wide = (width - 1) * _attribute(op, "dilations", [1] * len(shape))[place] + 1
        before = _before(op, place, (length(result[place]), size), wide)
        result[place] = _moved(
            result[place],
            size,
            lambda line, w=wide, s=stride, b=before, n=size: line.window(w, s, b, n),
        )
    return tuple(result)


def _widths(op: Any, spatial: Sequence[int]) -> list[int]:
    pool = _attribute(op, "ksize")
    if pool is not None:
        return [pool[place] for place in spatial]
    return [int(size) for size in op.inputs[1].shape[: len(spatial)]]


def _before(op: Any, place: int, sizes: tuple[int, int], width: int) -> int:
    """The padding in front of an axis of a convolution, from its old and new size."""
    old, new = sizes
    how = op.get_attr("padding")
    if how == b"SAME":
        return max((new - 1) * op.get_attr("strides")[place] + width - old, 0) // 2
    return int(op.get_attr("explicit_paddings")[2 * place]) if how == b"EXPLICIT" else 0


def _slide_back(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """A transposed convolution."""
    result = list(_data(inputs, 2))
    if op.get_attr("data_format") != b"NHWC":
        raise Untold
    result[3] = plain(shape[3])
    for place, width in zip((1, 2), _widths(op, (1, 2)), strict=True):
        stride, size = op.get_attr("strides")[place], shape[place]
        before = _before(op, place, (size, length(result[place])), width)
        first, reach = (before - (width - 1) / 2) / stride, (width - 1) / stride
        result[place] = _moved(
            result[place],
            size,
            lambda line, f=first, s=stride, r=reach, n=size: line.resampled(f, 1 / s, r, n),
        )
    return tuple(result)


def _pad(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    befores = [before for before, _ in _static(op.inputs[1])]
    return tuple(
        axis
        if size in (BATCH, length(axis))
        else _moved(axis, size, lambda line, b=before, n=size: line.padded(b, n))
        for axis, before, size in zip(_data(inputs), befores, shape, strict=True)
    )


def _resize(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    result = list(_data(inputs))
    for place in (1, 2):
        size = shape[place]
        result[place] = _moved(result[place], size, lambda line, n=size: _resampled(op, line, n))
    return tuple(result)


def _resampled(op: Any, line: Line, size: int) -> Line:
    corners = _attribute(op, "align_corners") and size > 1
    step = (line.size - 1) / (size - 1) if corners else line.size / size
    first = step / 2 - 0.5 if _attribute(op, "half_pixel_centers") else 0.0
    reach = 0.0 if op.type == "ResizeNearestNeighbor" else max(step, 1.0)
    return line.resampled(first, step, reach, size)


def _slice(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    return _cut(_data(inputs), [(first, 1) for first in _static(op.inputs[1])], shape)


def _cut(axes: Axes, parts: Sequence[tuple[int, int]], shape: Shape) -> Axes:
    """Each axis from its first position on, in its steps."""
    return tuple(
        axis
        if step == 1 and size in (BATCH, length(axis))
        else _moved(
            axis,
            size,
            None if step < 1 else lambda line, f=first, n=size, s=step: line.part(f, n, s),
        )
        for axis, (first, step), size in zip(axes, parts, shape, strict=True)
    )


def _strided_slice(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    if op.get_attr("ellipsis_mask") or op.get_attr("new_axis_mask"):
        raise Untold
    axes, steps = _data(inputs), _static(op.inputs[3])
    given = range(len(steps))
    kept = [place for place in range(len(axes)) if not op.get_attr("shrink_axis_mask") >> place & 1]
    open_ = op.get_attr("begin_mask")
    begins = [0] * len(axes)
    if any(not open_ >> place & 1 and is_placed(axes[place]) for place in given):
        found = _static(op.inputs[1])
        begins = [
            0 if place not in given or open_ >> place & 1 else found[place] % length(axes[place])
            for place in range(len(axes))
        ]
    parts = [(begins[place], steps[place] if place in given else 1) for place in kept]
    return _cut(tuple(axes[place] for place in kept), parts, shape)


def _split(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    return _fitted(_data(inputs, 1 if op.type == "Split" else 0), shape)


def _concat(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    along = _static(op.inputs[len(op.inputs) - 1]) % len(shape)
    columns = list(zip(*inputs.values(), strict=True))
    return tuple(
        _moved(next(filter(is_placed, own), own[0]), size) if place == along else merged(own)
        for place, (own, size) in enumerate(zip(columns, shape, strict=True))
    )


def _tile(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    return _fitted(_data(inputs), shape)


def _unpack(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes, gone = _data(inputs), op.get_attr("axis")
    return tuple(axis for place, axis in enumerate(axes) if place != gone % len(axes))


def _gather(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    axes, indices = _data(inputs), np.asarray(_static(op.inputs[1]))
    place = _static(op.inputs[2]) % len(axes)
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
    return _fitted((*around, rows, columns), shape)


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
    return _fitted(axes, shape)


def _to_batch(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """Each `block`-th position goes into one of several smaller images, as dilation needs it."""
    result = [plain(BATCH), *_data(inputs)[1:]]
    steps = zip(_static(op.inputs[1]), _static(op.inputs[2]), strict=True)
    for place, (block, (before, after)) in enumerate(steps, 1):
        padded = before + length(result[place]) + after
        result[place] = _moved(
            result[place],
            ceil(padded / block),
            lambda line, b=before, k=block, n=padded: line.padded(b, n).window(
                k, k, 0, ceil(n / k)
            ),
        )
    return tuple(result)


def _from_batch(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    result = [plain(BATCH), *_data(inputs)[1:]]
    steps = zip(_static(op.inputs[1]), _static(op.inputs[2]), strict=True)
    for place, (block, (before, after)) in enumerate(steps, 1):
        size = length(result[place]) * block
        result[place] = _moved(
            result[place],
            size - before - after,
            lambda line, b=before, a=after, k=block, n=size: line.divided(k, n).part(b, n - b - a),
        )
    return tuple(result)


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
    **dict.fromkeys(("AvgPool", "Conv2D", "DepthwiseConv2dNative", "MaxPool"), _slide),
    **dict.fromkeys(("ExpandDims", "Reshape", "Squeeze"), _reshape),
    **dict.fromkeys(("MirrorPad", "Pad", "PadV2"), _pad),
    **dict.fromkeys(("ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"), _resize),
    **dict.fromkeys(("Split", "SplitV"), _split),
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "MatMul"), _matmul),
    "BatchToSpaceND": _from_batch,
    "ConcatV2": _concat,
    "Conv2DBackpropInput": _slide_back,
    "Einsum": _einsum,
    "GatherV2": _gather,
    "Slice": _slice,
    "SpaceToBatchND": _to_batch,
    "StridedSlice": _strided_slice,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unpack": _unpack,
}
