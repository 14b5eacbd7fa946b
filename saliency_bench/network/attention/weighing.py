"""Weights that tokens have of their own on the way to a sum or a mean of them."""

from __future__ import annotations

from math import prod
from typing import Any

from saliency_bench.network.attention.stream import Held, Stream
from saliency_bench.network.geometry.rules import POINTWISE
from saliency_bench.network.operations import MATRICES
from saliency_bench.network.path import Path

FACTORS = frozenset({"DivNoNan", "Mul", "MulNoNan", "RealDiv", "Select", "SelectV2"})
"""Operations that multiply, divide or mask."""

_SUMS = frozenset({"Add", "AddN", "AddV2", "ConcatV2", "Pack", "Sub"})
_REDUCTIONS = frozenset({"EuclideanNorm", "Max", "Mean", "Min", "Sum"})
_MOVES = frozenset({"ExpandDims", "Reshape", "Squeeze", "Transpose"})


class Weighing:
    """Which tensors hold tokens that were multiplied by a number of their own each.

    The number is a constant, or it is computed from the token by a kernel, as that of a gate. A
    normalisation divides by a number that it computes without weights: that is none. Nor is a gate
    within a token's channels, or in one branch of a sum: it computes a token from itself, as an
    MLP does.

    Args:
        path: the traced path.
        stream: the tokens.
    """

    def __init__(self, path: Path, stream: Stream) -> None:
        self._path, self._stream = path, stream
        self._by: dict[Any, Any] = {}

    def by(self, tensor: Any) -> Any:
        """The operation that weighed the tokens of a tensor; None if none did."""
        return self._by.get(tensor.ref())

    def follow(self, op: Any, output: Any) -> None:
        """Learn whether an operation, which leaves each token by itself, weighs them."""
        before = [self.by(tensor) for tensor in self._tokens(op)]
        found = [weigher for weigher in before if weigher is not None]
        kept = len(found) == len(before) if op.type in _SUMS else bool(found)
        if kept:
            self._by[output.ref()] = found[0]
        elif self._stream.held(output) is not Held.PAIRS and self._weighs(op, output):
            self._by[output.ref()] = op

    def _tokens(self, op: Any) -> list[Any]:
        """The inputs of an operation that hold tokens."""
        data = [op.inputs[index] for index in self._path.data(op)]
        return [tensor for tensor in data if self._stream.held(tensor) is not Held.NONE]

    def _weighs(self, op: Any, output: Any) -> bool:
        if op.type in FACTORS and self._has_own(op, output):
            return True
        return op.type in FACTORS | MATRICES and self._is_gate(op, output)

    def _has_own(self, op: Any, output: Any) -> bool:
        """Whether a constant has a number for each token."""
        data, rank = self._path.data(op), output.shape.rank
        sizes = [
            op.inputs[index].shape[place - rank]
            for index in range(len(op.inputs))
            for place in self._stream.places(output)
            if index not in data and op.inputs[index].shape.rank >= rank - place
        ]
        return any(size != 1 for size in sizes)

    def _is_gate(self, op: Any, output: Any) -> bool:
        """Whether one factor has fewer numbers for each token, and is no normalisation's."""
        wide = self._width(output)
        if all(self._width(tensor) != wide for tensor in op.inputs):
            return False
        factors = [_spread(tensor) for tensor in self._tokens(op)]
        return any(self._width(f) < wide and not self._is_statistic(f) for f in factors)

    def _width(self, tensor: Any) -> int:
        """How many numbers a tensor has for each token."""
        tokens = self._stream.places(tensor)
        return prod(n or 1 for place, n in enumerate(tensor.shape) if place not in tokens)

    def _is_statistic(self, tensor: Any) -> bool:
        """Whether numbers are computed from the channels of tokens without weights."""
        op = tensor.op
        if op.type in _REDUCTIONS:
            return not self._is_product(op.inputs[0].op)
        if op.type not in _MOVES and op.type not in POINTWISE:
            return False
        sources = self._tokens(op)
        return bool(sources) and all(map(self._is_statistic, sources))

    def _is_product(self, op: Any) -> bool:
        """Whether an operation multiplies each channel by a constant."""
        constants = set(range(len(op.inputs))) - set(self._path.data(op))
        return op.type in FACTORS and any(op.inputs[i].shape.num_elements() != 1 for i in constants)


def _spread(tensor: Any) -> Any:
    """The tensor whose values another one repeats."""
    while tensor.op.type in ("BroadcastTo", "Tile"):
        tensor = tensor.op.inputs[0]
    return tensor
