"""Where in the picture each axis of each tensor of a traced graph lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from saliency_bench.network.geometry.receptive_fields import (
    COLUMNS,
    ROWS,
    Axes,
    Line,
    length,
    plain,
)
from saliency_bench.network.geometry.rules import RULES
from saliency_bench.network.geometry.shapes import Untold, computed
from saliency_bench.network.geometry.tools import BATCH, Shape, fitted, lose
from saliency_bench.network.path import Path


class Followed:
    """Axes of tensors that are computed from some whose axes are known.

    Args:
        known: axes of tensors, by `tensor.ref()`.
        operations: what is followed, in execution order; what reads no known tensor is left out.
    """

    def __init__(self, known: Mapping[Any, Axes], operations: Iterable[Any] = ()) -> None:
        self._axes = dict(known)
        for op in operations:
            self.follow(op)

    def follow(self, op: Any) -> None:
        """Learn the axes of an operation's outputs, if those of an input are known."""
        if any(tensor.ref() in self._axes for tensor in op.inputs):
            for tensor, axes in zip(op.outputs, self._of(op), strict=True):
                if axes is not None:
                    self._axes[tensor.ref()] = axes

    def axes(self, tensor: Any) -> Axes | None:
        """The axes of a tensor; None if it does not depend on known ones, or has no known rank."""
        return self._axes.get(tensor.ref())

    def _of(self, op: Any) -> Iterable[Axes | None]:
        inputs = {index: axes for index, t in enumerate(op.inputs) if (axes := self.axes(t))}
        for tensor in op.outputs:
            if tensor.shape.rank is None:
                yield None
                continue
            shape = self._shape(tensor)
            try:
                rule = RULES.get(op.type)
                yield lose(shape) if rule is None else fitted(rule(op, inputs, shape), shape)
            except Untold:
                yield lose(shape)

    def _shape(self, tensor: Any) -> Shape:
        """The shape of a tensor, with `BATCH` for the number of images."""
        sizes = tensor.shape.as_list()
        if sizes.count(None) > 1 and tensor.op.type == "Reshape":
            try:
                return tuple(computed(tensor.op.inputs[1], self._sizes).tolist())
            except Untold:
                pass
        return tuple(BATCH if size is None else size for size in sizes)

    def _sizes(self, tensor: Any) -> Shape:
        axes = self.axes(tensor)
        return self._shape(tensor) if axes is None else tuple(map(length, axes))


class Geometry(Followed):
    """Receptive fields of all tensors that depend on the images.

    Args:
        path: the traced path; its images have a fixed size.
    """

    def __init__(self, path: Path) -> None:
        height, width, channels = path.images.shape[1:]
        whole = [
            (Line.pixels(direction, size),)
            for direction, size in ((ROWS, height), (COLUMNS, width))
        ]
        known = {path.images.ref(): (plain(BATCH), *whole, plain(channels))}
        super().__init__(known, path.dependent)
