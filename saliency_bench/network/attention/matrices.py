"""Attention matrices: softmaxes whose values weigh other values along the softmax's axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from saliency_bench.network.attention.softmax import Softmax
from saliency_bench.network.geometry.axes import Axes, is_lost, lines, plain
from saliency_bench.network.geometry.receptive_fields import Line
from saliency_bench.network.geometry.tensors import Followed
from saliency_bench.network.geometry.tools import BATCH, einsum_letters
from saliency_bench.network.operations import MATRICES
from saliency_bench.network.path import Path

_MOVES = frozenset({"Cast", "ExpandDims", "Identity", "Reshape", "Squeeze", "Transpose"})
_CHANGES = frozenset({"Mul", "RealDiv", "Select", "SelectV2"})
"""What masks or scales probabilities, if only one input depends on the images."""


@dataclass(frozen=True)
class Weighting:
    """Probabilities that weigh values: the weighted values are summed.

    Attributes:
        softmax: where the probabilities come from.
        tensor: the probabilities after masks, scales and gates: what the values are weighed with.
        keys: their axes along which is summed.
        op: the operation that sums.
        values: what is weighted; None if products and sum are two operations.
        queries: how many sums there are for one image and head.
    """

    softmax: Softmax
    tensor: Any
    keys: tuple[int, ...]
    op: Any
    values: Any
    queries: int


def weightings(path: Path, softmax: Softmax) -> Iterator[Weighting]:
    """Each sum, weighted by a softmax, along the softmax's axes."""
    shape = softmax.tensor.shape
    axes = tuple(
        (Line.pixels(f"key {axis}", size),) if axis in softmax.axes else plain(size or BATCH)
        for axis, size in enumerate(shape)
    )
    followed = Followed({softmax.tensor.ref(): axes})

    def marked(tensor: Any) -> tuple[int, ...]:
        return tuple(p for p, axis in enumerate(followed.axes(tensor) or ()) if lines(axis))

    waiting = [_Factors(softmax.tensor, softmax.tensor, None)]
    while waiting:
        found = waiting.pop()
        values = found.values
        for op in path.consumers(values):
            followed.follow(op)
            single, result = len(path.data(op)) == 1, op.outputs[0]
            if result.shape.rank is None:
                continue
            summed = _is_free(followed.axes(result))
            if op.type in MATRICES and not single and summed:
                matrix = found.matrix if found.product is None else found.product
                other = next(tensor for tensor in op.inputs if tensor is not values)
                queries = _queries(op, values, marked(values))
                yield Weighting(softmax, matrix, marked(matrix), op, other, queries)
            elif op.type in ("Mean", "Sum") and summed and found.is_weighted:
                yield Weighting(softmax, found.matrix, marked(found.matrix), op, None, 1)
            elif op.type in _MOVES or _only_adds_axes(op):
                waiting.append(replace(found, values=result))
            elif op.type == "Mul" and not single and not found.spread:
                waiting.append(found.times(result))
            elif op.type in _CHANGES and single and not found.spread:
                waiting.append(_Factors(result, result, None))


@dataclass(frozen=True)
class _Factors:
    """A tensor computed from probabilities, and what of it weighs.

    A product of probabilities and values that has more axes than the probabilities has taken in
    what they weigh. One of the same axes may have, or it is a gate of theirs: what comes behind
    tells.

    Attributes:
        values: the tensor.
        matrix: what weighs, if the last factor is weighed; None: more than one may be weighed.
        product: what weighs, if the last factor is a gate; None: there is no factor.
        spread: whether the product has more axes.
    """

    values: Any
    matrix: Any
    product: Any
    spread: bool = False

    @property
    def is_weighted(self) -> bool:
        """Whether one factor beside the probabilities can be what they weigh."""
        return self.product is not None and self.matrix is not None

    def times(self, result: Any) -> _Factors:
        """These factors and one more; `result` is their product."""
        if self.product is None:
            return _Factors(result, self.matrix, result, _is_wider(result, self.values))
        spread = _is_wider(result, self.values)
        return _Factors(result, self.product if spread else None, result, spread)


def _is_wider(result: Any, values: Any) -> bool:
    """Whether a product has values along an axis where one of its factors has a single one."""
    sizes = [1] * (result.shape.rank - values.shape.rank) + values.shape.as_list()
    return any(own == 1 != size for own, size in zip(sizes, result.shape, strict=True))


def _only_adds_axes(op: Any) -> bool:
    """Whether a slice takes all, as one that writes `[..., None]` does."""
    sizes = [[size for size in t.shape if size != 1] for t in (op.inputs[0], op.outputs[0])]
    return op.type == "StridedSlice" and sizes[0] == sizes[1]


def _is_free(axes: Axes | None) -> bool:
    return axes is not None and not any(lines(axis) or is_lost(axis) for axis in axes)


def _queries(op: Any, values: Any, keys: tuple[int, ...]) -> int:
    """The size of what only the probabilities have, of all that is multiplied and not summed."""
    index = next(i for i, tensor in enumerate(op.inputs) if tensor is values)
    if op.type == "Einsum":
        terms, _ = einsum_letters(op)
        own = [p for p, letter in enumerate(terms[index]) if letter not in terms[1 - index]]
    else:
        own = [values.shape.rank - 2, values.shape.rank - 1]
    return prod(values.shape[place] or 1 for place in own if place not in keys)
