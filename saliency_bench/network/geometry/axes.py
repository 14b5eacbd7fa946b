"""Axes: what the values along each axis of a tensor are, and where in the picture they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from saliency_bench.network.geometry.receptive_fields import Line


@dataclass(frozen=True)
class Plain:
    """Values that lie side by side at one place of the picture, such as channels.

    Attributes:
        size: their number.
        lost: whether they lie at several places, and nothing tells which.
    """

    size: int
    lost: bool = False


@dataclass(frozen=True)
class Joined:
    """Values of several kinds, one behind the other: a class token, then the tokens of a grid.

    A line that was rolled is one, too: its end, then its beginning.
    """

    parts: tuple[Axis, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return sum(map(length, self.parts))


@dataclass(frozen=True)
class Digit:
    """A digit of the index of positions that were put in groups: of the group, or within it.

    Position i of `whole` has the digit `i // step % size`.
    """

    whole: Line | Joined
    step: int
    size: int

    @property
    def leads(self) -> bool:
        """Whether it is the first digit, that of the outermost groups."""
        return self.step * self.size == self.whole.size


Factor = Line | Plain | Joined | Digit
Axis = tuple[Factor, ...]
"""The product of its factors, the outermost first: `(rows, columns)` is a list of tokens."""

Axes = tuple[Axis, ...]


class Places(NamedTuple):
    """The values along an axis that lie at places of the picture."""

    first: int
    """Number of other values in front, such as class tokens."""

    lines: list[Line]
    """The factors of the axis, of tokens rows and columns; none where nothing tells them."""

    @property
    def size(self) -> int:
        """Number of places."""
        return prod(line.size for line in self.lines)


def length(axis: Axis) -> int:
    """Number of values along an axis."""
    return prod(factor.size for factor in axis)


def lines(axis: Axis) -> list[Line]:
    """What of an axis lies in the picture."""
    return [line for factor in axis for line in _lines(factor)]


def _lines(factor: Factor) -> list[Line]:
    if isinstance(factor, Joined):
        return [line for part in factor.parts for line in lines(part)]
    if isinstance(factor, Digit) and isinstance(factor.whole, Joined):
        return _lines(factor.whole) if factor.leads else []
    line = _line(factor)
    return [] if line is None else [line]


def _line(factor: Factor) -> Line | None:
    """A factor as a line: groups of neighbours are windows."""
    if isinstance(factor, Digit) and isinstance(factor.whole, Line) and factor.leads:
        return factor.whole.window(factor.step, factor.step, 0, factor.size)
    return factor if isinstance(factor, Line) else None


def is_lost(axis: Axis) -> bool:
    """Whether nothing tells where in the picture the axis lies."""
    return any(isinstance(factor, Plain) and factor.lost for factor in axis)


def is_placed(axis: Axis) -> bool:
    """Whether the values of the axis lie at several places of the picture, known or not."""
    return bool(lines(axis)) or is_lost(axis)


def has_special(axis: Axis) -> bool:
    """Whether an axis holds places and, in front of them or behind, values of no place."""
    return any(map(_is_special, axis))


def _is_special(factor: Factor) -> bool:
    if isinstance(factor, Digit):
        return _is_special(factor.whole)
    return isinstance(factor, Joined) and not all(map(is_placed, factor.parts))


def as_line(axis: Axis) -> Line | None:
    """An axis as one line, also if it holds several values per position; None if it is none."""
    line = _line(axis[0]) if axis else None
    if line is None or len(lines(axis)) > 1 or is_lost(axis):
        return None
    inner = prod(factor.size for factor in axis[1:])
    if inner == 1:
        return line
    return line.resampled(1 / (2 * inner) - 0.5, 1 / inner, 0, line.size * inner)


def places(axis: Axis) -> Places:
    """The line of an axis, or the lines of a list of tokens, with other values around it or not."""
    if len(axis) == 1 and isinstance(axis[0], Joined):
        parts = axis[0].parts
        placed = [index for index, part in enumerate(parts) if is_placed(part)]
        if len(placed) != 1:
            return Places(0, [])
        return Places(sum(map(length, parts[: placed[0]])), places(parts[placed[0]]).lines)
    line = as_line(axis)
    if line is not None:
        return Places(0, [line])
    found = [line for factor in axis if (line := _line(factor)) is not None]
    return Places(0, found if len(found) == len(axis) else [])


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
    grouped = any(isinstance(factor, Digit) for factor in (*one, *other))
    if len(lines(one)) == len(lines(other)) == 1 and not grouped:
        first, second = as_line(one), as_line(other)
        if first is not None and second is not None:
            together = first.beside(second)
            return lost(length(one)) if together is None else (together,)
    pairs = [_pair(f, g) for f, g in zip(one, other, strict=False)]
    known = tuple(factor for factor in pairs if factor is not None)
    return known if len(known) == len(one) == len(other) else lost(length(one))


def _pair(one: Factor, other: Factor) -> Factor | None:
    """What two factors have in common; None if they lie elsewhere."""
    if one == other:
        return one
    if isinstance(one, Line) and isinstance(other, Line):
        return one.beside(other)
    if isinstance(one, Digit) and isinstance(other, Digit):
        whole = _pair(one.whole, other.whole)
        alike = (one.step, one.size) == (other.step, other.size)
        return replace(one, whole=whole) if alike and isinstance(whole, Line | Joined) else None
    if isinstance(one, Joined) and isinstance(other, Joined):
        if [*map(length, one.parts)] != [*map(length, other.parts)]:
            return None
        parts = tuple(merged(both) for both in zip(one.parts, other.parts, strict=True))
        return None if any(map(is_lost, parts)) else Joined(parts)
    return None


def joined(parts: Sequence[Axis]) -> Axis:
    """The axis of values one behind the other; what continues a line is one with it."""
    if any(map(is_lost, parts)):
        return lost(sum(map(length, parts)))
    result: list[Axis] = []
    for part in _flat(parts):
        both = _continued(result[-1], part) if result else None
        result = [*result[:-1], both] if both is not None else [*result, part]
    return result[0] if len(result) == 1 else (Joined(tuple(result)),)


def _flat(parts: Sequence[Axis]) -> Iterator[Axis]:
    for part in parts:
        if len(part) == 1 and isinstance(part[0], Joined):
            yield from part[0].parts
        elif any(line.size > 1 or max(line.cut) > 0 for line in lines(part)):
            yield part
        elif length(part):
            yield plain(length(part))  # One position that sees all, as a pooled token does.


def _continued(one: Axis, other: Axis) -> Axis | None:
    if not is_placed(one) and not is_placed(other):
        return plain(length(one) + length(other))
    first, second = one[0], other[0]
    if one[1:] != other[1:] or not (isinstance(first, Line) and isinstance(second, Line)):
        return None
    line = first.continued(second)
    return None if line is None else (line, *one[1:])


def part(axis: Axis, first: int, size: int, step: int = 1) -> Axis:
    """Some of the values of an axis, each `step`-th from `first` on."""
    if not is_placed(axis):
        return plain(size)
    line = as_line(axis)
    if line is not None:
        return (line.part(first, size, step),)
    if step != 1:
        return lost(size)
    if len(axis) == 1 and isinstance(axis[0], Joined):
        return joined([_taken(*own) for own in _overlaps(axis[0].parts, first, size)])
    inner = length(axis[1:])
    if len(axis) == 1 or first % inner or size % inner:
        return lost(size)
    return *part(axis[:1], first // inner, size // inner), *axis[1:]


def is_place(axis: Axis, index: int) -> bool:
    """Whether a value along an axis lies at one of several places."""
    if len(axis) == 1 and isinstance(axis[0], Joined):
        return any(is_placed(own) for own, *_ in _overlaps(axis[0].parts, index, 1))
    return is_placed(axis)


def _overlaps(parts: Sequence[Axis], first: int, size: int) -> Iterator[tuple[Axis, int, int]]:
    """The parts of which something is taken, from where on, and how much."""
    at = 0
    for own in parts:
        low, high = max(first - at, 0), min(first + size - at, length(own))
        if low < high:
            yield own, low, high - low
        at += length(own)


def _taken(axis: Axis, first: int, size: int) -> Axis:
    return axis if size == length(axis) else part(axis, first, size)
