"""Where the tokens are in each tensor behind the one in which they come."""

from __future__ import annotations

from enum import Enum
from typing import Any

from saliency_bench.network.geometry.axes import Axes, Axis, has_special, is_lost, lines
from saliency_bench.network.geometry.receptive_fields import Line
from saliency_bench.network.geometry.tensors import Followed
from saliency_bench.network.geometry.tools import BATCH, attribute, einsum_letters
from saliency_bench.network.operations import MATRICES
from saliency_bench.network.path import Path


class Held(Enum):
    """What a tensor holds of the tokens, if it is not a row of some of them."""

    NONE = "none"
    WHOLE = "all of them, once"
    PAIRS = "each pair of them"
    LOST = "unknown"


class Stream:
    """The tokens of a traced graph, followed from one tensor on.

    Args:
        path: the traced path.
        start: a tensor that every way from the images to the scores passes.
        axes: its axes; those of the tokens are lines.
    """

    def __init__(self, path: Path, start: Any, axes: Axes) -> None:
        self.tokens = [line for axis in axes for line in lines(axis)]
        self._followed = Followed({start.ref(): axes}, path.operations)

    @property
    def size(self) -> int:
        """Number of tokens."""
        size = 1
        for line in self.tokens:
            size *= line.size
        return size

    def axes(self, tensor: Any) -> Axes:
        """The axes of a tensor; none if it does not depend on the tokens."""
        return self._followed.axes(tensor) or ()

    def held(self, tensor: Any) -> Held | range:
        """What a tensor holds of the tokens; a range: a row of some of them.

        Tokens among which others are, that are none of these, are lost.
        """
        axes = self.axes(tensor)
        found = [line for axis in axes for line in lines(axis)]
        if any(is_lost(axis) or has_special(axis) for axis in axes):
            return Held.LOST
        if not found:
            return Held.NONE
        if found == self.tokens:
            return Held.WHOLE
        if found == 2 * self.tokens:
            return Held.PAIRS
        if len(self.tokens) == len(found) == 1 and found[0].stride == found[0].field == 1:
            return self._row(range(int(found[0].start), int(found[0].start) + found[0].size))
        return Held.LOST

    def _row(self, numbers: range) -> Held | range:
        """Tokens of these numbers; of a padded list not all of them are tokens."""
        return numbers if 0 <= numbers.start <= numbers.stop <= self.size else Held.LOST

    def places(self, tensor: Any) -> tuple[int, ...]:
        """The axes of a tensor that hold tokens."""
        return tuple(place for place, axis in enumerate(self.axes(tensor)) if lines(axis))

    def batch(self, tensor: Any) -> int | None:
        """The axis of a tensor that holds the images, alone or outermost; None if none does."""
        found = [place for place, axis in enumerate(self.axes(tensor)) if _holds_images(axis)]
        return found[0] if len(found) == 1 else None

    def is_summed(self, op: Any) -> bool:
        """Whether an operation sums products along an axis that holds tokens."""
        if op.type not in MATRICES:
            return False
        return any(
            lines(axes[place])
            for index, place in _summed(op)
            if (axes := self.axes(op.inputs[index]))
        )


def _holds_images(axis: Axis) -> bool:
    return bool(axis) and not isinstance(axis[0], Line) and axis[0].size == BATCH


def _summed(op: Any) -> list[tuple[int, int]]:
    """Inputs of a product, and axes of them, along which is summed."""
    if op.type == "Einsum":
        terms, output = einsum_letters(op)
        return [
            (index, place)
            for index, term in enumerate(terms)
            for place, letter in enumerate(term)
            if letter not in output
        ]
    left = attribute(op, "adj_x", attribute(op, "transpose_a"))
    right = attribute(op, "adj_y", attribute(op, "transpose_b"))
    return [(0, -2 if left else -1), (1, -1 if right else -2)]
