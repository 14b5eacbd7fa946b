"""Receptive fields: where in the picture the positions along each axis of a tensor lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

ROWS, COLUMNS = "rows", "columns"


@dataclass(frozen=True)
class Line:
    """Positions along the rows or the columns of the picture; unit: pixels.

    Position i sees `field` pixels from `start + i * stride` on. What was cut off before, outside of
    `low` to `high`, it does not see.

    Attributes:
        direction: `ROWS` or `COLUMNS`.
        size: number of positions.
        start: first pixel that position 0 sees; it may lie in a padding.
        stride: distance of two neighbours.
        field: width of a receptive field.
        low: no pixel before this one is seen.
        high: nor this one and those behind it.
        cut: pixels by which slices moved the first and the last position inwards.
    """

    direction: str
    size: int
    start: float
    stride: float
    field: float
    low: float
    high: float
    cut: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def pixels(cls, direction: str, size: int) -> Line:
        """The rows or columns of the picture itself."""
        return cls(direction, size, 0.0, 1.0, 1.0, 0.0, float(size))

    @property
    def stop(self) -> float:
        """The end of the last position's receptive field."""
        return self.start + self.stride * (self.size - 1) + self.field

    @property
    def centre(self) -> float:
        """The centre of position 0's receptive field."""
        return self.start + self.field / 2

    def seen(self) -> Line:
        """The same positions; `low` and `high` are what they see together."""
        return replace(self, low=max(self.low, self.start), high=min(self.high, self.stop))

    def part(self, first: int, size: int, step: int = 1) -> Line:
        """Some of the positions, each `step`-th from `first` on."""
        start = self.start + first * self.stride
        behind = self.size - 1 - first - (size - 1) * step
        cut = self.cut[0] + first * self.stride, self.cut[1] + behind * self.stride
        return replace(self, start=start, size=size, stride=self.stride * step, cut=cut).seen()

    def padded(self, before: int, size: int) -> Line:
        """With more positions: `before` of them in front, `size` altogether."""
        return replace(self.seen(), start=self.start - before * self.stride, size=size)

    def window(self, width: int, stride: int, before: int, size: int) -> Line:
        """Positions of a sliding window.

        Args:
            width: of the window, in positions of this line.
            stride: of the window, in positions.
            before: padding in front.
            size: number of windows.
        """
        return replace(
            self.padded(before, size),
            stride=self.stride * stride,
            field=self.field + self.stride * (width - 1),
        )

    def resampled(self, first: float, step: float, width: float, size: int) -> Line:
        """Positions between these ones.

        Args:
            first: where the new position 0 lies, in positions of this line.
            step: distance of two new positions.
            width: how many neighbours a new position reads, beyond the nearest.
            size: number of new positions.
        """
        field = self.field + self.stride * width
        start = self.centre + first * self.stride - field / 2
        return replace(self.seen(), start=start, stride=self.stride * step, field=field, size=size)

    def divided(self, parts: int, size: int) -> Line:
        """The positions of which windows of `parts` neighbours, side by side, were made."""
        stride = self.stride / parts
        return replace(self, stride=stride, field=self.field - stride * (parts - 1), size=size)

    def united(self) -> Line:
        """One position that sees all."""
        extent = self.stop - self.start
        return replace(self.seen(), size=1, stride=extent, field=extent)

    def beside(self, other: Line) -> Line | None:
        """Positions that see what both lines see; None if they lie a stride or more apart."""
        alike = (self.direction, self.size) == (other.direction, other.size)
        drift = abs(self.stride - other.stride) * self.size
        apart = abs(self.centre - other.centre)
        if not alike or (self.size > 1 and max(drift, apart) >= self.stride):
            return None
        start = min(self.start, other.start)
        end = max(self.start + self.field, other.start + other.field)
        low, high = min(self.low, other.low), max(self.high, other.high)
        cut = min(self.cut[0], other.cut[0]), min(self.cut[1], other.cut[1])
        return replace(self, start=start, field=end - start, low=low, high=high, cut=cut)


@dataclass(frozen=True)
class Plain:
    """Values that lie side by side at one place of the picture, such as channels.

    Attributes:
        size: their number.
        lost: whether they lie at several places, and nothing tells which.
    """

    size: int
    lost: bool = False


Factor = Line | Plain
Axis = tuple[Factor, ...]
"""The product of its factors, the outermost first: `(rows, columns)` is a list of tokens."""

Axes = tuple[Axis, ...]


def length(axis: Axis) -> int:
    """Number of values along an axis."""
    return prod(factor.size for factor in axis)


def lines(axis: Axis) -> list[Line]:
    """The factors of an axis that lie in the picture."""
    return [factor for factor in axis if isinstance(factor, Line)]


def is_lost(axis: Axis) -> bool:
    """Whether nothing tells where in the picture the axis lies."""
    return any(isinstance(factor, Plain) and factor.lost for factor in axis)


def is_placed(axis: Axis) -> bool:
    """Whether the values of the axis lie at several places of the picture, known or not."""
    return bool(lines(axis)) or is_lost(axis)


def as_line(axis: Axis) -> Line | None:
    """An axis as one line, also if it holds several values per position; None if it is none."""
    if not axis or not isinstance(axis[0], Line) or len(lines(axis)) > 1 or is_lost(axis):
        return None
    inner = prod(factor.size for factor in axis[1:])
    if inner == 1:
        return axis[0]
    return axis[0].resampled(1 / (2 * inner) - 0.5, 1 / inner, 0, axis[0].size * inner)


def plain(width: int) -> Axis:
    """An axis of values at one place."""
    return (Plain(width),)


def lost(width: int) -> Axis:
    """An axis of values of which nothing tells where they lie."""
    return (Plain(width, lost=width > 1),)


def merged(axes: Sequence[Axis]) -> Axis:
    """The axis of a tensor that is computed from several, value by value."""
    widest = max(map(length, axes))
    # A line of one position is spread over a longer one.
    full = [axis for axis in axes if length(axis) == widest]
    placed = [axis for axis in full if is_placed(axis)]
    if not placed:
        return full[0]
    if any(map(is_lost, placed)):
        return lost(widest)
    result = placed[0]
    for other in placed[1:]:
        result = _both(result, other)
    return result


def _both(one: Axis, other: Axis) -> Axis:
    if one == other:
        return one
    if len(lines(one)) == len(lines(other)) == 1:
        first, second = as_line(one), as_line(other)
        together = first.beside(second) if first and second else None
        return lost(length(one)) if together is None else (together,)
    if [type(f) for f in one] == [type(f) for f in other]:
        pairs = [_both((f,), (g,)) for f, g in zip(one, other, strict=True)]
        return tuple(factor for pair in pairs for factor in pair)
    return lost(length(one))


def regrouped(axes: Axes, shape: Sequence[int]) -> Axes:
    """The axes of a tensor after its values, in their order, got another shape."""
    result: list[Axis] = []
    waiting = list(axes)
    for group in _groups([length(axis) for axis in axes], list(shape)):
        own = [waiting.pop(0) for _ in range(group[0])]
        wanted = shape[len(result) : len(result) + group[1]]
        result += _regroup(own, wanted)
    return tuple(result)


def _groups(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The smallest numbers of old and new axes, from the front, that hold equally many values."""
    i = j = 0
    while i < len(old) or j < len(new):
        here, there = old[i : i + 1], new[j : j + 1]
        if here != there and 1 in (*here, *there):
            # An axis of one value comes or goes by itself.
            taken = (1, 0) if tuple(here) == (1,) else (0, 1)
        else:
            taken = _balanced(old[i:], new[j:])
        yield taken
        i, j = i + taken[0], j + taken[1]


def _balanced(old: Sequence[int], new: Sequence[int]) -> tuple[int, int]:
    """How many axes of each, at least one, have the same product; all if none have."""
    i = j = 1
    while (a := prod(old[:i])) != (b := prod(new[:j])):
        if i >= len(old) and j >= len(new):
            break
        i, j = (i + 1, j) if j >= len(new) or (a < b and i < len(old)) else (i, j + 1)
    return (i, j) if a == b else (len(old), len(new))


def _regroup(axes: Sequence[Axis], shape: Sequence[int]) -> list[Axis]:
    if len(axes) == 1 and len(shape) == 1 and length(axes[0]) == shape[0]:
        return list(axes)
    if len(axes) == 1 and not shape:
        return []
    factors = [factor for axis in axes for factor in axis if factor.size > 1]
    result = []
    for width in shape:
        taken: list[Factor] = []
        left = width
        while left > 1:
            factor = factors.pop(0) if factors else None
            if factor is None or (factor.size % left and left % factor.size):
                return [lost(n) for n in shape]
            if factor.size > left:
                factor, rest = _split(factor, left)
                factors.insert(0, rest)
            taken.append(factor)
            left //= factor.size
        result.append(tuple(taken) or plain(1))
    return result


def _split(factor: Factor, outer: int) -> tuple[Factor, Factor]:
    """A factor as `outer` groups of neighbours, and the neighbours within a group."""
    inner = factor.size // outer
    if isinstance(factor, Plain):
        return Plain(outer, factor.lost), Plain(inner, factor.lost)
    return factor.window(inner, inner, 0, outer), Plain(inner)
