"""Softmaxes in a traced graph: one operation, or exponentials over their sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from saliency_bench.network.path import Path

_SAME = frozenset({"Cast", "ExpandDims", "Identity", "Reshape", "Squeeze"})


@dataclass(frozen=True)
class Softmax:
    """Values that are 0 or more and sum to 1 along axes.

    Attributes:
        tensor: the values.
        axes: along which they sum to 1.
        inner: names of the operations that compute them.
    """

    tensor: Any
    axes: tuple[int, ...]
    inner: frozenset[str]


def softmaxes(path: Path) -> Iterator[Softmax]:
    """Each softmax on a path, in execution order, however it is written."""
    for op in path.operations:
        values = op.outputs[0]
        if op.type == "Softmax":
            yield Softmax(values, (values.shape.rank - 1,), frozenset({op.name}))
            continue
        found = _written_out(op)
        axes = None if found is None else tf.get_static_value(found[1].inputs[1])
        if found is not None and axes is not None:
            along = tuple(int(axis) % values.shape.rank for axis in np.atleast_1d(axes))
            yield Softmax(values, along, frozenset(_between(path, found[0], values)))


def _written_out(op: Any) -> tuple[Any, Any] | None:
    """The scores, and the sum of exponentials, of an operation that ends a softmax, else None."""
    if op.type == "RealDiv":
        powers, total = _origin(op.inputs[0]).op, _origin(op.inputs[1]).op
        if powers.type == "Exp" and total.type == "Sum" and _origin(total.inputs[0]).op is powers:
            return _exponent(powers), total
    if op.type == "Exp" and op.inputs[0].op.type == "Sub":
        scores, shift = op.inputs[0].op.inputs
        total = _summed_powers(_origin(shift).op)
        if total is not None and _exponent(_origin(total.inputs[0]).op) is scores:
            return scores, total
    return None


def _summed_powers(op: Any) -> Any:
    """The sum of exponentials whose logarithm an operation returns, with or without a shift."""
    parts = [_origin(tensor).op for tensor in op.inputs] if op.type in ("AddV2", "Add") else [op]
    for part in parts:
        total = _origin(part.inputs[0]).op if part.type == "Log" else None
        if total is not None and total.type == "Sum" and _origin(total.inputs[0]).op.type == "Exp":
            return total
    return None


def _exponent(powers: Any) -> Any:
    """What is exponentiated, before the maximum is subtracted from it."""
    exponent = powers.inputs[0]
    return exponent.op.inputs[0] if exponent.op.type == "Sub" else exponent


def _origin(tensor: Any) -> Any:
    while tensor.op.type in _SAME:
        tensor = tensor.op.inputs[0]
    return tensor


def _between(path: Path, start: Any, end: Any) -> set[str]:
    """Names of the operations on the path that lead from one tensor to another."""
    names: set[str] = set()
    waiting = [end]
    while waiting:
        tensor = waiting.pop()
        if tensor is not start and tensor.op.name not in names:
            names.add(tensor.op.name)
            waiting += [tensor.op.inputs[index] for index in path.data(tensor.op)]
    return names
