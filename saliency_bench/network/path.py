"""The operations that lead from the images to the scores of a traced model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import tensorflow as tf

from saliency_bench.network.trace import Call, innermost

Edge = tuple[str, int]
"""An input of an operation: its name, and the index of the input."""

_SIZES = frozenset({"OnesLike", "Rank", "Shape", "ShapeN", "Size", "ZerosLike"})
"""Operations whose output depends on the shape of a tensor, not on its values."""


@dataclass(frozen=True)
class Path:
    """The operations that lead from the images to the scores, in execution order.

    Attributes:
        images: the input tensor.
        scores: the explained tensor.
        calls: every layer execution.
        constant: inputs that count as constants: no way leads through them.
    """

    images: Any
    scores: Any
    calls: Sequence[Call]
    constant: frozenset[Edge] = frozenset()

    def holding(self, edges: Iterable[Edge]) -> Path:
        """The path on which these inputs count as constants, too."""
        return replace(self, constant=self.constant.union(edges))

    @cached_property
    def dependent(self) -> list[Any]:
        """Each operation that depends on the images, by tensors that gradients may pass."""
        return self._dependence[0]

    @cached_property
    def operations(self) -> list[Any]:
        """Each operation that depends on the images and on which the scores depend."""
        dependent, reached = self._dependence
        needed = {self.scores.ref()}
        operations = []
        for op in reversed(dependent):
            if any(tensor.ref() in needed for tensor in op.outputs):
                needed |= {tensor.ref() for tensor in self._read(op)} & reached
                operations.append(op)
        return operations[::-1]

    @cached_property
    def bottlenecks(self) -> list[Any]:
        """Each tensor that every way from the images to the scores passes, in execution order."""
        return self.waists(lambda tensor, op: True)

    def waists(self, reads: Callable[[Any, Any], bool]) -> list[Any]:
        """Each tensor that every way passes if some are closed, in execution order.

        It is one if no other tensor leads from an operation before it to one behind it. What only
        closed ways lead to is no part of any.

        Args:
            reads: whether the way from a tensor to an operation that reads it is open.
        """
        places = {op.name: place for place, op in enumerate(self.operations)}

        def readers(tensor: Any) -> list[int]:
            return [places[op.name] for op in self.consumers(tensor) if reads(tensor, op)]

        def last_use(tensors: Sequence[Any]) -> int:
            return max((place for tensor in tensors for place in readers(tensor)), default=0)

        bottlenecks, reached = [], {self.images.ref()}
        reach = last_use([self.images])
        for place, op in enumerate(self.operations):
            if not any(t.ref() in reached and reads(t, op) for t in op.inputs):
                continue
            reached |= {tensor.ref() for tensor in op.outputs}
            used = [t for t in op.outputs if readers(t) or t is self.scores]
            if reach <= place and len(used) == 1:
                bottlenecks += used
            reach = max(reach, last_use(used))
        return bottlenecks

    @cached_property
    def _dependence(self) -> tuple[list[Any], set[Any]]:
        """The operations that depend on the images, and references to what they pass on."""
        reached = {self.images.ref()}
        operations = []
        for op in self.scores.graph.get_operations():
            if op.type not in _SIZES and any(t.ref() in reached for t in self._read(op)):
                reached.update(tensor.ref() for tensor in op.outputs if _carries(tensor))
                operations.append(op)
        return operations, reached

    @cached_property
    def _moved(self) -> set[Any]:
        """References to all tensors whose values depend on the images, of any type."""
        moved = {self.images.ref()}
        for op in self.scores.graph.get_operations():
            if op.type not in _SIZES and any(tensor.ref() in moved for tensor in op.inputs):
                moved.update(tensor.ref() for tensor in op.outputs)
        return moved

    @cached_property
    def _held(self) -> dict[str, set[int]]:
        """The constant inputs of each operation, by its name."""
        held: dict[str, set[int]] = {}
        for name, index in self.constant:
            held.setdefault(name, set()).add(index)
        return held

    @cached_property
    def _members(self) -> set[str]:
        return {op.name for op in self.operations}

    def _read(self, op: Any) -> list[Any]:
        """The inputs of an operation that do not count as constants."""
        held = self._held.get(op.name, ())
        return [tensor for index, tensor in enumerate(op.inputs) if index not in held]

    def data(self, op: Any) -> list[int]:
        """Indices of an operation's inputs that depend on the images."""
        held = self._held.get(op.name, ())
        return [
            index
            for index, tensor in enumerate(op.inputs)
            if index not in held and (tensor is self.images or tensor.op.name in self._members)
        ]

    def chooses(self, op: Any) -> bool:
        """Whether an input depends on the images in a way that no gradient passes: an index."""
        data = {op.inputs[index].ref() for index in self.data(op)}
        return any(t.ref() in self._moved and t.ref() not in data for t in self._read(op))

    def consumers(self, tensor: Any) -> list[Any]:
        """The operations on the path that read a tensor."""
        return [
            op
            for op in tensor.consumers()
            if op.name in self._members and any(t is tensor for t in self._read(op))
        ]

    def layer(self, op: Any) -> str:
        """Name of the innermost layer that created an operation; outside layers its own name."""
        layer = innermost(self.calls, op)
        return str(op.name if layer is None else layer.name)


def _carries(tensor: Any) -> bool:
    """Whether gradients may pass a tensor: one of numbers, or a list of them, as loops have it."""
    return bool(tensor.dtype.is_floating or tensor.dtype.is_complex or tensor.dtype == tf.variant)
