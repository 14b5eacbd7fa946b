"""How windows, paddings and resampling move values: see `rules`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, prod
from typing import Any

from saliency_bench.network.geometry.axes import Axes, length, plain
from saliency_bench.network.geometry.receptive_fields import Line
from saliency_bench.network.geometry.shapes import Untold
from saliency_bench.network.geometry.tools import (
    BATCH,
    Inputs,
    Shape,
    attribute,
    data,
    moved,
    require_whole,
    static,
)


def slide(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """A window with a kernel, a pool, or patches of pixels."""
    result = list(data(inputs))
    first = attribute(op, "data_format", b"").startswith(b"NC")
    channel = 1 if first else len(shape) - 1
    spatial = [place for place in range(1, len(shape)) if place != channel]
    require_whole(result[channel])
    result[channel] = plain(shape[channel])
    for place, width in zip(spatial, _widths(op, spatial), strict=True):
        stride, size = op.get_attr("strides")[place], shape[place]
        wide = (width - 1) * _apart(op, place) + 1
        before = _before(op, place, (length(result[place]), size), wide)
        result[place] = moved(result[place], size, Line.window, wide, stride, before, size)
    return tuple(result)


def _apart(op: Any, place: int) -> int:
    """The distance of two values that a window reads."""
    found = attribute(op, "dilations", attribute(op, "rates"))
    return 1 if found is None else int(found[place])


def _widths(op: Any, spatial: Sequence[int]) -> list[int]:
    pool = attribute(op, "ksize", attribute(op, "ksizes"))
    if pool is not None:
        return [pool[place] for place in spatial]
    return [int(size) for size in op.inputs[1].shape[: len(spatial)]]


def _before(op: Any, place: int, sizes: tuple[int, int], width: int) -> int:
    """The padding in front of an axis of a convolution, from its old and new size."""
    old, new = sizes
    how = op.get_attr("padding")
    if how == b"SAME":
        return int(max((new - 1) * op.get_attr("strides")[place] + width - old, 0) // 2)
    return int(op.get_attr("explicit_paddings")[2 * place]) if how == b"EXPLICIT" else 0


def slide_back(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """A transposed convolution."""
    result = list(data(inputs, 2))
    if op.get_attr("data_format") != b"NHWC":
        raise Untold
    result[3] = plain(shape[3])
    for place, width in zip((1, 2), _widths(op, (1, 2)), strict=True):
        stride, size = op.get_attr("strides")[place], shape[place]
        before = _before(op, place, (size, length(result[place])), width)
        first, reach = (before - (width - 1) / 2) / stride, (width - 1) / stride
        result[place] = moved(result[place], size, Line.resampled, first, 1 / stride, reach, size)
    return tuple(result)


def pad(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """More positions on both sides."""
    befores = [before for before, _ in static(op.inputs[1])]
    return tuple(
        axis if size in (BATCH, length(axis)) else moved(axis, size, _padded, before, size)
        for axis, before, size in zip(data(inputs), befores, shape, strict=True)
    )


def _padded(line: Line, before: int, size: int) -> Line:
    """A slice that takes the padding off again cuts nothing of the picture."""
    after = size - before - line.size
    cut = line.cut[0] - before * line.stride, line.cut[1] - after * line.stride
    return replace(line.padded(before, size), cut=cut)


def resize(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """Rows and columns at other distances."""
    result = list(data(inputs))
    for place in (1, 2):
        size = shape[place]
        # One position that sees all is the same everywhere.
        one = length(result[place]) == 1
        result[place] = plain(size) if one else moved(result[place], size, _resampled, op, size)
    return tuple(result)


def _resampled(line: Line, op: Any, size: int) -> Line:
    corners = attribute(op, "align_corners") and size > 1
    step = (line.size - 1) / (size - 1) if corners else line.size / size
    first = step / 2 - 0.5 if attribute(op, "half_pixel_centers") else 0.0
    reach = 0.0 if op.type == "ResizeNearestNeighbor" else max(step, 1.0)
    return line.resampled(first, step, reach, size)


def to_channels(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """The pixels of each block become channels of one position."""
    if op.get_attr("data_format") != b"NHWC":
        raise Untold
    result, block = list(data(inputs)), op.get_attr("block_size")
    require_whole(result[3])
    for place in (1, 2):
        size = shape[place]
        result[place] = moved(result[place], size, Line.window, block, block, 0, size)
    return *result[:3], plain(shape[3])


def to_batch(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """Each `block`-th position goes into one of several smaller images, as dilation needs it."""
    blocks = static(op.inputs[1])
    result = [(*plain(BATCH), *plain(prod(blocks))), *data(inputs)[1:]]
    steps = zip(blocks, static(op.inputs[2]), strict=True)
    for place, (block, (before, after)) in enumerate(steps, 1):
        padded = before + length(result[place]) + after
        result[place] = moved(result[place], ceil(padded / block), _dealt, before, padded, block)
    return tuple(result)


def from_batch(op: Any, inputs: Inputs, shape: Shape) -> Axes:
    """The inverse of `to_batch`."""
    result = [plain(BATCH), *data(inputs)[1:]]
    steps = zip(static(op.inputs[1]), static(op.inputs[2]), strict=True)
    for place, (block, (before, after)) in enumerate(steps, 1):
        size = length(result[place]) * block
        result[place] = moved(
            result[place], size - before - after, _collected, block, size, before, after
        )
    return tuple(result)


def _dealt(line: Line, before: int, padded: int, block: int) -> Line:
    return line.padded(before, padded).window(block, block, 0, ceil(padded / block))


def _collected(line: Line, block: int, size: int, before: int, after: int) -> Line:
    whole = line.divided(block, size)
    return replace(whole.part(before, size - before - after), cut=line.cut)
