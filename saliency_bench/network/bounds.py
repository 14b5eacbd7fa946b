"""The range of a tensor's values, as far as the operations that compute it tell."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import tensorflow as tf

Range = tuple[float, float]

_ANY: Range = (-math.inf, math.inf)

_FIXED: Mapping[str, Range] = {
    "Exp": (0, math.inf), "Relu": (0, math.inf), "Relu6": (0, 6), "Sigmoid": (0, 1),
    "Softmax": (0, 1), "Tanh": (-1, 1),
}  # fmt: skip
"""Operations whose values lie in a range whatever their input is."""

_WITHIN = frozenset({
    "AvgPool", "Cast", "ConcatV2", "ExpandDims", "Identity", "Max", "MaxPool", "Mean", "Min",
    "Pack", "Reshape", "Squeeze", "StopGradient", "StridedSlice",
})  # fmt: skip
"""Operations whose values lie among those of their inputs of floats."""

_MONOTONE: Mapping[str, Callable[[float, float], float]] = {
    "Add": operator.add, "AddV2": operator.add, "Maximum": max, "Minimum": min, "Mul": operator.mul,
    "RealDiv": operator.truediv, "Sub": operator.sub,
}  # fmt: skip
"""Operations that are monotone in each input: extreme values come from extreme inputs."""


def bounds(tensor: Any) -> Range:
    """The least and the largest value that a tensor of a graph can have; infinite if unknown."""
    return _bounds(tensor, {})


def _bounds(tensor: Any, known: dict[Any, Range]) -> Range:
    if tensor.ref() not in known:
        known[tensor.ref()] = _computed(tensor, known)
    return known[tensor.ref()]


def _computed(tensor: Any, known: dict[Any, Range]) -> Range:
    constant = tf.get_static_value(tensor)
    if constant is not None:
        return float(np.min(constant)), float(np.max(constant))
    op = tensor.op
    if op.type in _FIXED:
        return _FIXED[op.type]
    if op.type in _WITHIN:
        ranges = [_bounds(value, known) for value in op.inputs if value.dtype.is_floating]
        return min(low for low, _ in ranges), max(high for _, high in ranges)
    if op.type in _MONOTONE:
        first, second = (_bounds(value, known) for value in op.inputs)
        return _of_two(_MONOTONE[op.type], first, second, divides=op.type == "RealDiv")
    return _ANY


def _of_two(
    combine: Callable[[float, float], float], first: Range, second: Range, *, divides: bool
) -> Range:
    if divides and second[0] <= 0 <= second[1]:
        return _ANY
    corners = [combine(*ends) for ends in product(first, second)]
    return _ANY if any(map(math.isnan, corners)) else (min(corners), max(corners))
