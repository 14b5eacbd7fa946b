"""Reshapes: the axes of a tensor whose values, in their order, got another shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from saliency_bench.network.geometry.axes import (
    Axes,
    Axis,
    Digit,
    Factor,
    Plain,
    length,
    lost,
    plain,
)


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
        result.append(_united(taken) or plain(1))
    return result


def _split(factor: Factor, outer: int) -> tuple[Factor, Factor]:
    """A factor as `outer` groups of neighbours, and the neighbours within a group."""
    inner = factor.size // outer
    if isinstance(factor, Plain):
        return Plain(outer, factor.lost), Plain(inner, factor.lost)
    if isinstance(factor, Digit):
        whole, step = factor.whole, factor.step
        return Digit(whole, step * inner, outer), Digit(whole, step, inner)
    return Digit(factor, inner, outer), Digit(factor, 1, inner)


def _united(factors: Sequence[Factor]) -> Axis:
    """Factors of which neighbouring digits of one index are one."""
    result: list[Factor] = []
    for factor in factors:
        both = _number(result[-1], factor) if result else None
        result = [*result, factor] if both is None else [*result[:-1], both]
    return tuple(result)


def _number(one: Factor, other: Factor) -> Factor | None:
    """The number that two digits are; None if they are none."""
    if not (isinstance(one, Digit) and isinstance(other, Digit)):
        return None
    if one.whole != other.whole or one.step != other.step * other.size:
        return None
    size = one.size * other.size
    return one.whole if size == one.whole.size else Digit(one.whole, other.step, size)
