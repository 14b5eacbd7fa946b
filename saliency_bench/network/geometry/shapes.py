"""The numbers that a graph computes from shapes, such as the new shape of a reshape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class Untold(Exception):
    """The graph does not tell something while it is traced."""


Numbers = NDArray[np.int64]


def computed(tensor: Any, shape_of: Callable[[Any], Sequence[int]]) -> Numbers:
    """The value of a tensor that is computed from constants and shapes.

    Args:
        tensor: of integers.
        shape_of: from a tensor to its shape.

    Raises:
        Untold: if it is computed from anything else.
    """
    value = tf.get_static_value(tensor)
    if value is not None:
        return np.asarray(value, np.int64)
    op = tensor.op
    if op.type == "Shape":
        return np.array(shape_of(op.inputs[0]), np.int64)
    if op.type not in _STEPS:
        raise Untold
    return np.asarray(_STEPS[op.type](op, [computed(t, shape_of) for t in op.inputs]))


def _slice(op: Any, inputs: Sequence[Numbers]) -> Numbers:
    values, begin, end, step = inputs
    first = None if op.get_attr("begin_mask") & 1 else int(begin[0])
    last = None if op.get_attr("end_mask") & 1 else int(end[0])
    single = op.get_attr("shrink_axis_mask") & 1
    return values[int(begin[0])] if single else values[first : last : int(step[0])]


_STEPS: Mapping[str, Callable[[Any, Sequence[Numbers]], Any]] = {
    "AddV2": lambda _, inputs: inputs[0] + inputs[1],
    "Cast": lambda _, inputs: inputs[0],
    "ConcatV2": lambda _, inputs: np.concatenate(inputs[:-1]),
    "FloorDiv": lambda _, inputs: inputs[0] // inputs[1],
    "GatherV2": lambda _, inputs: np.take(inputs[0], inputs[1]),
    "Identity": lambda _, inputs: inputs[0],
    "Less": lambda _, inputs: inputs[0] < inputs[1],
    "Mul": lambda _, inputs: inputs[0] * inputs[1],
    "Pack": lambda _, inputs: np.stack(inputs),
    "Prod": lambda _, inputs: np.prod(inputs[0]),
    "Range": lambda _, inputs: np.arange(*map(int, inputs)),
    "SelectV2": lambda _, inputs: np.where(inputs[0], inputs[1], inputs[2]),
    "StridedSlice": _slice,
    "Sub": lambda _, inputs: inputs[0] - inputs[1],
}
