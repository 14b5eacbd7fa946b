"""Gates: factors between 0 and 1 that let features pass, as a sigmoid or softmax makes them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tensorflow as tf

from saliency_bench.network.operations import MOVES, PRODUCTS, SHIFTS
from saliency_bench.network.path import Edge, Path


def gates(path: Path, besides: Collection[str] = ()) -> frozenset[Edge]:
    """The inputs of products that are their gate: attention weights, for example.

    The gate is the one of two factors that comes from a sigmoid, a softmax or a hard sigmoid.
    Elsewhere the same tensor may be a feature.

    Args:
        path: the path from images to scores.
        besides: names of products that are left alone.
    """
    found = set()
    for op in path.operations:
        if op.type in PRODUCTS and op.name not in besides:
            factors = path.data(op)
            gating = [index for index in factors if _is_squashed(path, op.inputs[index].op)]
            if len(factors) == 2 and len(gating) == 1:
                found.add((op.name, gating[0]))
    return frozenset(found)


def _is_squashed(path: Path, op: Any) -> bool:
    """Whether the values of an operation lie between 0 and 1, as those of a sigmoid."""
    while op.type in MOVES and path.data(op):
        op = _input(path, op).op
    if op.type in {"Sigmoid", "Softmax"}:
        return True
    while op.type in SHIFTS | {"Minimum"} and path.data(op):
        op = _input(path, op).op
    return op.type in {"Relu", "Relu6", "Maximum"} and is_gate(path, op)


def is_gate(path: Path, relu: Any) -> bool:
    """Whether a ReLU is the clip of a hard sigmoid, by itself or inside a hard swish.

    It clips at an upper bound too, and half of that bound was added to its input, as in
    `relu6(x + 3) / 6`. The number is a constant, not a weight.

    Args:
        path: the path from images to scores.
        relu: an operation `Relu` or `Relu6`, or a maximum with 0.
    """
    bound, shift = _bound(path, relu), _shift(path, relu)
    return bound is not None and shift is not None and abs(shift / bound - 0.5) < 1e-3


def is_maximum(path: Path, op: Any) -> bool:
    """Whether an operation is a ReLU that is written as a maximum with 0, and no gate."""
    return op.type == "Maximum" and _number(path, op) == 0 and not is_gate(path, op)


def _bound(path: Path, relu: Any) -> float | None:
    if relu.type == "Relu6":
        return 6.0
    around = [_input(path, relu).op, *path.consumers(relu.outputs[0])]
    limits = (_number(path, op) for op in around if op.type == "Minimum")
    return next((limit for limit in limits if limit), None)


def _shift(path: Path, relu: Any) -> float | None:
    op = _input(path, relu).op
    while op.type in {"Identity", "Cast", "Minimum"} and len(path.data(op)) == 1:
        op = op.inputs[path.data(op)[0]].op
    return _number(path, op) if op.type in {"Add", "AddV2"} else None


def _input(path: Path, op: Any) -> Any:
    return op.inputs[next(iter(path.data(op)), 0)]


def _number(path: Path, op: Any) -> float | None:
    """The one number that an operation combines with data."""
    others = [tensor for i, tensor in enumerate(op.inputs) if i not in path.data(op)]
    values = [tf.get_static_value(tensor) for tensor in others]
    if len(values) != 1 or values[0] is None or values[0].size != 1:
        return None
    return float(values[0].reshape(()))
