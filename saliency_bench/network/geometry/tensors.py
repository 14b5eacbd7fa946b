"""Where in the picture each axis of each tensor of a traced graph lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from saliency_bench.network.geometry.axes import Axes, Axis, is_lost, joined, length, plain
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS, Line
from saliency_bench.network.geometry.rules import output_axes
from saliency_bench.network.geometry.shapes import Untold, computed
from saliency_bench.network.geometry.tools import BATCH, Inputs, Shape, fitted, lose
from saliency_bench.network.path import Path


class Followed:
    """Axes of tensors that are computed from some whose axes are known.

    Args:
        known: axes of tensors, by `tensor.ref()`.
        operations: what is followed, in execution order; what reads no known tensor is left out.
        tiles: rows and columns that a list of tokens has where the graph does not tell.
    """

    def __init__(
        self,
        known: Mapping[Any, Axes],
        operations: Iterable[Any] = (),
        tiles: Sequence[Axis] = (),
    ) -> None:
        self._axes, self._tiles = dict(known), tiles
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

    def told(self, tensor: Any, inputs: Inputs) -> Axes | None:
        """The axes of an operation's output that follow from axes of its inputs, by index.

        None if the graph does not tell, or if the tensor has no known rank.
        """
        if tensor.shape.rank is None:
            return None
        shape = self._shape(tensor)
        try:
            return fitted(output_axes(tensor, inputs, shape), shape)
        except Untold:
            return None

    def _of(self, op: Any) -> Iterable[Axes | None]:
        inputs = {index: axes for index, t in enumerate(op.inputs) if (axes := self.axes(t))}
        for tensor in op.outputs:
            axes = self.told(tensor, inputs)
            if axes is None and tensor.shape.rank is not None:
                axes = lose(self._shape(tensor))
            yield axes if axes is None else self._found(axes)

    def _found(self, axes: Axes) -> Axes:
        """Axes whose places, if the graph lost them, lie in the grid that the caller knows."""
        lengths = [length(axis) for axis in axes]
        if not self._tiles or lengths[:1] != [BATCH] or not any(map(is_lost, axes[1:-1])):
            return axes
        rows, columns = self._tiles
        around = axes[:1], plain(lengths[-1])
        if lengths[1:-1] == [length(rows), length(columns)]:
            return *around[0], rows, columns, around[1]
        special = lengths[1] - length(rows + columns)
        if len(axes) == 3 and special >= 0 and lengths[1] < BATCH:
            return *around[0], joined([plain(special), rows + columns]), around[1]
        return axes

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
        grid: rows and columns of the tokens, `[N, T, D]`, that the graph loses; in front of them
            are special tokens. Such a grid covers the picture.
    """

    def __init__(self, path: Path, grid: tuple[int, int] | None = None) -> None:
        height, width, channels = path.images.shape[1:]
        sides = (ROWS, height), (COLUMNS, width)
        whole = [(Line.pixels(*side),) for side in sides]
        tiles = [
            (Line.tiles(direction, count, size),)
            for (direction, size), count in zip(sides, grid or (), strict=False)
        ]
        known = {path.images.ref(): (plain(BATCH), *whole, plain(channels))}
        super().__init__(known, path.dependent, tiles)
