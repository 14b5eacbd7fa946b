"""How far the tokens of patches flow: to the scores, or into attention and no further."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from saliency_bench.network.geometry.axes import (
    Axes,
    Axis,
    has_special,
    is_placed,
    length,
    plain,
)
from saliency_bench.network.geometry.selections import TAKING
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.network.operations import CORES, MATRICES, SHIFTS
from saliency_bench.network.path import Path

_PASSES = frozenset({
    "Cast", "ExpandDims", "Identity", "Reshape", "Slice", "Split", "SplitV", "Squeeze",
    "StridedSlice", "Transpose", "Unpack", *SHIFTS,
})  # fmt: skip
"""Operations between a kernel and attention that move values, or scale them by a constant."""


class TokenFlow:
    """Which tensors of special and patch tokens are read at their patches.

    Scores that are read at a class token read the patches of a tensor only where attention sums
    them up. Behind the last attention they do not: there a residual connection, a normalisation
    and an MLP compute each token from itself.

    Args:
        path: the traced path.
        geometry: the axes of its tensors.
    """

    def __init__(self, path: Path, geometry: Geometry) -> None:
        self._path, self._geometry = path, geometry

    def reads(self, tensor: Any, op: Any) -> bool:
        """Whether an operation reads more of a tensor than its special tokens."""
        axes = self._geometry.axes(tensor)
        if axes is None or not any(map(has_special, axes)):
            return True
        if any(is_placed(axis) and not has_special(axis) for axis in axes):
            return True
        return bool(self._read.get((tensor.ref(), op.name)))

    @cached_property
    def projections(self) -> set[str]:
        """The operations from a kernel on to an attention of which a special token is read alone.

        They compute keys and values; what is attended to is the tensor before them.
        """
        found: set[str] = set()
        for op in self._path.operations:
            if self.is_attention(op) and self._is_dead(op.outputs[0]):
                for index in self._path.data(op):
                    found |= self._projection(op.inputs[index].op)
        return found

    def is_attention(self, op: Any) -> bool:
        """Whether an operation sums up products of two tensors that depend on the images."""
        return op.type in MATRICES and len(self._path.data(op)) > 1

    def is_kernel(self, op: Any) -> bool:
        """Whether an operation sums up products of a tensor and a kernel."""
        return op.type in CORES or (op.type in MATRICES and len(self._path.data(op)) == 1)

    def _projection(self, op: Any) -> set[str]:
        """The operations from a kernel on to this one; none if there is more between them."""
        sources = self._path.data(op)
        if len(sources) != 1:
            return set()
        if self.is_kernel(op):
            return {op.name}
        before = self._projection(op.inputs[sources[0]].op) if op.type in _PASSES else set()
        return before | {op.name} if before else set()

    def _is_dead(self, tensor: Any) -> bool:
        """Whether along one axis only the special tokens of a tensor are read."""
        special = self._special(self._geometry.axes(tensor))
        return any(place not in self._places.get(tensor.ref(), set()) for place in special)

    def _special(self, axes: Axes | None) -> list[int]:
        return [place for place, axis in enumerate(axes or ()) if has_special(axis)]

    @cached_property
    def _places(self) -> dict[Any, set[int]]:
        """By tensor, the axes of special and patch tokens that are read at patches."""
        places: dict[Any, set[int]] = {}
        for (ref, _), found in self._read.items():
            places[ref] = places.get(ref, set()) | found
        return places

    @cached_property
    def _read(self) -> dict[tuple[Any, str], set[int]]:
        """By tensor and reader, the axes of special and patch tokens that are read at patches."""
        read: dict[tuple[Any, str], set[int]] = {}
        places: dict[Any, set[int]] = {}
        for op in reversed(self._path.operations):
            for index in self._path.data(op):
                ref = op.inputs[index].ref()
                special = self._special(self._geometry.axes(op.inputs[index]))
                found = {place for place in special if self._reaches(op, index, place, places)}
                read[ref, op.name] = read.get((ref, op.name), set()) | found
                places[ref] = places.get(ref, set()) | found
        return read

    def _reaches(self, op: Any, index: int, place: int, places: dict[Any, set[int]]) -> bool:
        """Whether the patches along an axis of an input reach patches that are read, or a sum."""
        inputs = {
            other: tuple(
                axis if (other, at) == (index, place) else plain(length(axis))
                for at, axis in enumerate(self._geometry.axes(op.inputs[other]) or ())
            )
            for other in self._path.data(op)
        }
        return any(
            self._arrives(tensor, inputs, places)
            for tensor in op.outputs
            if self._path.consumers(tensor) or tensor is self._path.scores
        )

    def _arrives(
        self, tensor: Any, inputs: dict[int, tuple[Axis, ...]], places: dict[Any, set[int]]
    ) -> bool:
        followed = self._geometry.told(tensor, inputs)
        if followed is None:
            return True
        arrived = [place for place, axis in enumerate(followed) if is_placed(axis)]
        if not arrived:
            return tensor.op.type not in TAKING
        special = self._special(self._geometry.axes(tensor))
        read = places.get(tensor.ref(), set())
        return any(place not in special or place in read for place in arrived)
