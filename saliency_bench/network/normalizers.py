"""Standard deviations that features are divided by, as in LayerNorm, GroupNorm and RMSNorm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from saliency_bench.network.operations import MOVES, SHIFTS
from saliency_bench.network.path import Edge, Path

_STEPS = frozenset({
    "Add", "AddV2", "Cast", "Identity", "Maximum", "Mul", "RealDiv", "Reshape", "Sub",
})  # fmt: skip
"""Operations between a mean of squares, its root, and the division by it."""

_MULTIPLES = MOVES | SHIFTS | {"Maximum", "Minimum", "Reciprocal"}
"""Operations between a root and the features that are divided by it."""

_PASSING = MOVES | {"Maximum", "Minimum", "Mul", "Neg"}
"""Operations of which reciprocals are reciprocals: a product of two of them, too."""

_REDUCTIONS = frozenset({"Mean", "Sum"})


def normalizers(path: Path) -> frozenset[Edge]:
    """The inputs of products and quotients that are a standard deviation, or its reciprocal.

    It is a root of a mean or a sum, and features are divided by it: `rsqrt(v)`, `v ** -0.5`, or
    `sqrt(v)` in a denominator.

    Args:
        path: the path from images to scores.
    """
    roots = (_root(path, op) for op in path.operations)
    return frozenset(
        edge
        for root in roots
        if root is not None and _is_mean(path, root)
        for edge in _factors(path, root.outputs[0])
    )


def _factors(path: Path, tensor: Any) -> Iterator[Edge]:
    """Where a tensor, or a multiple of it, is a factor of data."""
    for op in path.consumers(tensor):
        data = path.data(op)
        if len(data) == 1 and op.type in _MULTIPLES:
            yield from _factors(path, op.outputs[0])
        elif len(data) == 2 and op.type in {"Mul", "RealDiv"}:
            yield from ((op.name, index) for index in data if op.inputs[index] is tensor)


def reciprocals(path: Path) -> frozenset[str]:
    """Names of the operations that return reciprocals: they are huge where a value is near 0.

    They are `rsqrt(v)`, `v ** -1` and `c / v`, clipped, moved or times a constant.

    Args:
        path: the path from images to scores.
    """
    found: set[str] = set()
    for op in path.operations:
        data = path.data(op)
        passes = op.type in _PASSING or (op.type == "RealDiv" and data == [0])
        if _inverts(op, data) or (passes and all(op.inputs[i].op.name in found for i in data)):
            found.add(op.name)
    return frozenset(found)


def _inverts(op: Any, data: Sequence[int]) -> bool:
    exponent = _exponent(op)
    negative = exponent is not None and exponent < 0
    return op.type in {"Reciprocal", "Rsqrt"} or negative or (op.type == "RealDiv" and data == [1])


def _root(path: Path, op: Any) -> Any:
    if op.type == "Rsqrt" or _exponent(op) == -0.5:
        return op
    if op.type != "Reciprocal" and not (op.type == "RealDiv" and 1 in path.data(op)):
        return None
    behind = _behind(path, op, len(op.inputs) - 1)
    return next((each for each in behind if each.type == "Sqrt" or _exponent(each) == 0.5), None)


def _is_mean(path: Path, root: Any) -> bool:
    return any(op.type in _REDUCTIONS for op in _behind(path, root, path.data(root)[0]))


def _behind(path: Path, op: Any, index: int) -> Iterator[Any]:
    """The operations that lead to an input of an operation, up to one that is no step."""
    while True:
        op = op.inputs[index].op
        yield op
        data = path.data(op)
        if op.type not in _STEPS or not data:
            return
        index = data[0]


def _exponent(op: Any) -> float | None:
    if op.type != "Pow":
        return None
    value = tf.get_static_value(op.inputs[1])
    return None if value is None or value.size != 1 else float(value.reshape(()))
