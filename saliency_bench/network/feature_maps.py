"""Feature maps: the tensor of which a class activation map is made, and its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from saliency_bench.network.geometry.axes import Axes, is_lost, length, places
from saliency_bench.network.geometry.layout import (
    another_order,
    has_places,
    is_tiled,
    order_of,
    side,
)
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.network.operations import CORES
from saliency_bench.network.path import Path
from saliency_bench.network.placement import Placement
from saliency_bench.network.token_flow import TokenFlow
from saliency_bench.network.trace import near, own_variables
from saliency_bench.protocols import NotApplicable, SettingError

_SAME = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "ExpandDims", "Transpose"})
"""Operations that only store the same values in another way."""


Grid = tuple[int, int]
"""Rows and columns of tokens."""

_TAKEN: ContextVar[list[str] | None] = ContextVar("feature_maps_taken", default=None)


@contextmanager
def taking() -> Iterator[list[str]]:
    """A block that collects which feature maps are taken, in words."""
    taken: list[str] = []
    token = _TAKEN.set(taken)
    try:
        yield taken
    finally:
        _TAKEN.reset(token)


def take(found: object) -> None:
    """Add what was taken, in words, to the list of the block around."""
    taken = _TAKEN.get()
    if taken is not None and str(found) not in taken:
        taken.append(str(found))


@dataclass(frozen=True)
class FeatureMap:
    """A tensor whose values lie at places of the picture.

    Attributes:
        tensor: the tensor, in the layout that its layer gave it.
        layer: name of the layer that made it; outside layers of the operation.
        order: its axes in the order images, places, channels. The places are rows and columns, or
            one axis: a list of tokens or a series.
        place: where the rows and columns lie.
        first: number of special tokens, such as class tokens, in front of the places.
    """

    tensor: Any
    layer: str
    order: tuple[int, ...]
    place: Placement
    first: int = 0

    @property
    def values(self) -> Any:
        """`[B, h, w, K]`."""
        return self.arranged(self.tensor)

    def __str__(self) -> str:
        """The layer, its size, and where it lies if that is not all of the picture."""
        height, width = self.place.grid
        where = "" if self.place.is_stretched else f", which sees {self.place.seen}"
        return f"{self.layer!r} ({height}x{width}x{self.tensor.shape[self.order[-1]]}{where})"

    def arranged(self, tensor: Any) -> Any:
        """A tensor in this one's layout, as `[B, h, w, K]`."""
        if self.order != tuple(range(len(self.order))):
            tensor = tf.transpose(tensor, self.order)
        if len(self.order) == 4:
            return tensor
        height, width = self.place.grid
        if tensor.shape[1] != height * width:
            tensor = tensor[:, self.first : self.first + height * width]
        return tf.reshape(tensor, [-1, height, width, tensor.shape[-1]])


class FeatureMaps:
    """The feature maps of a traced forward pass.

    Args:
        path: the traced path.
        made: number of operations of the graph up to the end of the model.
        grid: rows and columns of the tokens where the graph does not tell; in front of them are
            special tokens.
    """

    def __init__(self, path: Path, made: int, grid: Grid | None = None) -> None:
        self._path, self._made, self._grid = path, made, grid

    def find(self, layer: str | None = None) -> FeatureMap:
        """The feature map that CAM methods explain.

        Args:
            layer: name of the layer that returns it, at any depth. Default: the last tensor with
                more than one place, behind the first weights, that every way from the images to the
                scores passes, and on which the scores depend by differentiable steps. It is never
                the explained output itself. Of special and patch tokens the patches count: where
                a class token is read, it is what the last attention attends to.

        Raises:
            NotApplicable: if there is none, or nothing tells where in the picture it lies.
            SettingError: if no layer has this name, or it has another grid than the given one.
        """
        found = self._last() if layer is None else self._named(layer)
        take(found)
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        """When each operation was made."""
        every = self._path.scores.graph.get_operations()
        return {op.name: place for place, op in enumerate(every)}

    @cached_property
    def _geometry(self) -> Geometry:
        return Geometry(self._path, self._grid)

    @cached_property
    def _flow(self) -> TokenFlow:
        return TokenFlow(self._path, self._geometry)

    def _last(self) -> FeatureMap:
        first, passed_by = self._first_weights(), self._explained() | self._flow.projections
        for tensor in reversed(self._path.waists(self._flow.reads)):
            place, axes = self._places[tensor.op.name], self._geometry.axes(tensor)
            if place < first:
                break
            behind = place >= self._made or tensor.op.name in passed_by
            if behind or tensor.op.type in _SAME or not has_places(axes):
                continue
            if tf.gradients(self._path.scores, tensor)[0] is not None:
                self._require_depth(tensor)
                return self._read(tensor, self._path.layer(tensor.op))
        raise NotApplicable(
            "no layer with weights has a feature map larger than 1x1 that every way from the "
            "picture to the scores passes"
        )

    def _require_depth(self, tensor: Any) -> None:
        """Raise `NotApplicable` if a tensor is the embedding of patches, and others lie deeper."""
        place, flow = self._places[tensor.op.name], self._flow
        kernels = [self._places[op.name] for op in self._path.operations if flow.is_kernel(op)]
        behind = [op for op in self._path.operations if self._places[op.name] > place]
        if sum(kernel <= place for kernel in kernels) > 1 or not any(
            map(flow.is_attention, behind)
        ):
            return
        second = min(kernel for kernel in kernels if kernel > place)
        deeper = [op for op in behind if self._places[op.name] > second and self._is_map(op)]
        if deeper and is_tiled(self._geometry.axes(tensor)):
            raise NotApplicable(
                "no tensor behind the embedding of the patches, "
                f"{self._path.layer(tensor.op)!r}, is passed by every way to the scores; "
                "layer=... names one"
            )

    def _is_map(self, op: Any) -> bool:
        """Whether an operation makes a feature map of which more than special tokens are read."""
        tensor, flow = op.outputs[0], self._flow
        if op.type in _SAME or op.name in flow.projections:
            return False
        axes = self._geometry.axes(tensor)
        known = axes is not None and has_places(axes) and order_of(axes) is not None
        return known and any(flow.reads(tensor, by) for by in self._path.consumers(tensor))

    def _named(self, name: str) -> FeatureMap:
        outputs = [call.output for call in self._path.calls if call.layer.name == name]
        if not outputs:
            every = [call for call in self._path.calls if has_places(self._axes(call.output))]
            known = near(name, (call.layer.name for call in every))
            raise SettingError(f"layer must be one with a feature map ({known}); got {name!r}")
        if not has_places(self._axes(outputs[-1])):
            raise NotApplicable(
                f"the output of layer {name!r} is not a feature map larger than 1x1"
            )
        return self._read(outputs[-1], name)

    def _axes(self, tensor: Any) -> Axes | None:
        return self._geometry.axes(tensor) if tf.is_tensor(tensor) else None

    def _read(self, tensor: Any, layer: str) -> FeatureMap:
        axes = self._geometry.axes(tensor)
        order = None if axes is None else order_of(axes)
        if axes is None or order is None:
            raise self._untold(tensor, layer)
        height, width = self._path.images.shape[1:3]
        rows, columns = side(axes, ROWS, height), side(axes, COLUMNS, width)
        if self._grid not in (None, (rows.size, columns.size)):
            raise SettingError(
                f"grid must be ({rows.size}, {columns.size}), the rows and columns of the output "
                f"of layer {layer!r}; got {self._grid}"
            )
        first = places(axes[order[1]]).first if len(order) == 3 else 0
        return FeatureMap(tensor, layer, order, Placement(rows, columns, (height, width)), first)

    def _untold(self, tensor: Any, layer: str) -> Exception:
        """Why a tensor is refused that is no grid of known places."""
        axes = self._geometry.axes(tensor)
        if axes is not None and not any(map(is_lost, axes)):
            return NotApplicable(
                f"the places of the output of layer {layer!r} {another_order(axes)}; "
                "layer=... names another"
            )
        if self._grid is not None and axes is not None and len(axes) == 3 and is_lost(axes[1]):
            return SettingError(
                f"grid must have at most as many places as the output of layer {layer!r} has "
                f"tokens, {length(axes[1])}; got {self._grid}"
            )
        return NotApplicable(
            f"nothing tells where in the picture the output of layer {layer!r} lies; "
            "layer=... names another, and grid=(rows, columns) tells it for tokens [N, T, D]"
        )

    def _first_weights(self) -> int:
        """When the last operation of the first layer with weights was made."""
        places = self._places
        ends = [
            places[tensor.op.name]
            for call in self._path.calls
            if own_variables(call.layer)
            for tensor in tf.nest.flatten(call.output)
            if tf.is_tensor(tensor) and tensor.op.name in places  # not inside of a loop
        ]
        return min(ends, default=len(places))

    def _results(self) -> Iterator[Any]:
        """The tensors of the model from which the scores are computed."""
        places = self._places
        for op in self._path.operations:
            for index in self._path.data(op):
                source = op.inputs[index]
                if places[source.op.name] < self._made <= places[op.name]:
                    yield source

    def _explained(self) -> set[str]:
        """The operations from the last kernel on to what is explained, if this has places."""
        waiting = [t.op for t in self._results() if has_places(self._geometry.axes(t))]
        found: set[str] = set()
        while waiting:
            op = waiting.pop()
            if op.name not in found:
                found.add(op.name)
                if op.type not in CORES:
                    waiting += [op.inputs[index].op for index in self._path.data(op)]
        return found
