"""A pyramid of grids for the linear system of interpolated pixels: see `interpolation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[Any]
"""`[..., h, w]` float32, one number per cell."""

SIDE, CORNER = np.float32(1 / 6), np.float32(1 / 12)
"""Weights of a pixel's neighbours."""

COARSEST = 3
"""Cells of the short side of the last grid, on which sweeps alone are enough."""

SWEEPS = 8
"""On that grid."""


@dataclass
class Finest:
    """The system itself: every weight is known beforehand.

    Attributes:
        inside: 1 in hidden cells, 0 in others.
        centre, around: factors of a hidden cell and of the window around it; 0 in others.
        inverse: of the sum of the weights of a hidden cell's neighbours; 0 in others.
    """

    inside: Grid
    centre: Grid
    around: Grid
    inverse: Grid

    @classmethod
    def of(cls, hidden: NDArray[np.bool_]) -> Finest:
        """The system of masks `[M, 1, H, W]`."""
        inside = hidden.astype(np.float32)
        total = neighbours(np.ones(hidden.shape[-2:], np.float32))
        # A picture of one pixel has no neighbours.
        inverse = inside / np.maximum(total, CORNER)
        return cls(inside, inside * (total + 4 * CORNER), inside * CORNER, inverse)

    def apply(self, values: Grid) -> Grid:
        """The system's matrix times values that are 0 in all cells but the hidden ones."""
        result = self.centre * values
        window = _window(values)
        window *= self.around
        result -= window
        return result

    def coarser(self) -> Coarse:
        """The system for blocks of 2x2 cells."""
        inside = self.inside
        known = inside * neighbours(1 - inside)
        pairs = [SIDE * _pair(inside, 0, 1), SIDE * _pair(inside, 1, 0)]
        pairs += [CORNER * _pair(inside, 1, 1), CORNER * _pair(inside, 1, -1)]
        return Coarse.of(known, *pairs)


@dataclass
class Coarse:
    """The system for blocks of cells; a block acts as one cell.

    Attributes:
        known: sum of a cell's weights to values that are known.
        right, below, falling, rising: weight of the pair of a cell and the one to its right, below
            it, right below it; and of the cell to its right and the one below it.
        inside: 1 in cells with a hidden pixel.
        total: sum of a cell's weights.
        inverse: of `total` where it is not 0.
    """

    known: Grid
    right: Grid
    below: Grid
    falling: Grid
    rising: Grid
    inside: Grid
    total: Grid
    inverse: Grid

    @classmethod
    def of(cls, known: Grid, right: Grid, below: Grid, falling: Grid, rising: Grid) -> Coarse:
        """The blocks' system from the weights of the cells."""
        right, below, falling, rising = (_even(grid) for grid in (right, below, falling, rising))
        # Weights of pairs are halved: so a plane has the same energy on either grid.
        across = (_of(right, 0, 1) + _of(right, 1, 1) + _of(falling, 0, 1) + _of(rising, 0, 1)) / 2
        down = (_of(below, 1, 0) + _of(below, 1, 1) + _of(falling, 1, 0) + _of(rising, 1, 0)) / 2
        fall, rise = _of(falling, 1, 1) / 2, _of(rising, 1, 1) / 2
        anchors = _blocks(known)
        total = anchors + across + down + fall
        total[..., 1:] += across[..., :-1] + rise[..., :-1]
        total[..., 1:, :] += down[..., :-1, :] + rise[..., :-1, :]
        total[..., 1:, 1:] += fall[..., :-1, :-1]
        inside = (total > 0).astype(np.float32)
        inverse = np.divide(1, total, out=np.zeros_like(total), where=total > 0)
        return cls(anchors, across, down, fall, rise, inside, total, inverse)

    def apply(self, values: Grid) -> Grid:
        """The system's matrix times values."""
        result = self.total * values
        ahead, behind = np.s_[..., 1:], np.s_[..., :-1]
        low, high = np.s_[..., 1:, :], np.s_[..., :-1, :]
        for weights, one, other in (
            (self.right[behind], behind, ahead),
            (self.below[high], high, low),
            (self.falling[high][behind], np.s_[..., :-1, :-1], np.s_[..., 1:, 1:]),
            (self.rising[high][behind], np.s_[..., :-1, 1:], np.s_[..., 1:, :-1]),
        ):
            result[one] -= weights * values[other]
            result[other] -= weights * values[one]
        return result

    def coarser(self) -> Coarse:
        """The system for blocks of 2x2 cells."""
        return Coarse.of(self.known, self.right, self.below, self.falling, self.rising)


def systems(hidden: NDArray[np.bool_]) -> list[Finest | Coarse]:
    """The systems of masks `[M, 1, H, W]`: the finest first, each next one for blocks of cells."""
    grids: list[Finest | Coarse] = [Finest.of(hidden)]
    while min(grids[-1].inside.shape[-2:]) > COARSEST:
        grids.append(grids[-1].coarser())
    return grids


def cycle(grids: Sequence[Finest | Coarse], rest: Grid) -> Grid:
    """An approximate solution for `rest` `[M, C, h, w]`: a sweep, a coarser grid, a sweep."""
    here, coarser = grids[0], grids[1:]
    values = here.inverse * rest
    if not coarser:
        for _ in range(SWEEPS):
            values += here.inverse * (rest - here.apply(values))
        return values
    correction = cycle(coarser, _down(rest - here.apply(values)))
    values += here.inside * _up(correction)[..., : rest.shape[-2], : rest.shape[-1]]
    left = rest - here.apply(values)
    left *= here.inverse
    values += left
    return values


def neighbours(grid: Grid) -> Grid:
    """The weighted sum of each cell's neighbours; outside there are none."""
    result = _window(grid)
    result -= 4 * grid
    result *= CORNER
    return result


def _window(grid: Grid) -> Grid:
    """The weights (1, 2, 1) down times (1, 2, 1) across: those of neighbours, and 4."""
    down = _spread(grid, np.s_[..., 1:, :], np.s_[..., :-1, :])
    return _spread(down, np.s_[..., 1:], np.s_[..., :-1])


def _spread(grid: Grid, ahead: Any, behind: Any) -> Grid:
    """Twice each cell, and the cells before and behind it."""
    result = grid + grid
    result[ahead] += grid[behind]
    result[behind] += grid[ahead]
    return result


def _pair(inside: Grid, down: int, across: int) -> Grid:
    """1 where a cell and its neighbour, or its right neighbour and the one below, are hidden."""
    height, width = inside.shape[-2:]
    result = np.zeros_like(inside)
    rows, columns = slice(0, height - down), slice(0, width - abs(across))
    moved = slice(abs(across), width)
    first, second = (columns, moved) if across >= 0 else (moved, columns)
    result[..., rows, columns] = inside[..., rows, first] * inside[..., down:, second]
    return result


def _even(grid: Grid) -> Grid:
    """A grid with an even number of rows and columns."""
    height, width = grid.shape[-2:]
    if height % 2 == width % 2 == 0:
        return grid
    return np.pad(grid, [(0, 0)] * (grid.ndim - 2) + [(0, height % 2), (0, width % 2)])


def _of(grid: Grid, row: int, column: int) -> Grid:
    """One cell of every block of 2x2."""
    return grid[..., row::2, column::2]


def _blocks(grid: Grid) -> Grid:
    """Sums of blocks of 2x2 cells."""
    even = _even(grid)
    return _of(even, 0, 0) + _of(even, 0, 1) + _of(even, 1, 0) + _of(even, 1, 1)


def _down(grid: Grid) -> Grid:
    """To the grid of blocks: the transpose of `_up`."""
    even = _even(grid)
    return _halved(_halved(even).swapaxes(-2, -1)).swapaxes(-2, -1)


def _halved(grid: Grid) -> Grid:
    left, right = grid[..., 0::2], grid[..., 1::2]
    result = np.float32(0.75) * (left + right)
    quarter = np.float32(0.25)
    result[..., :-1] += quarter * left[..., 1:]
    result[..., 1:] += quarter * right[..., :-1]
    result[..., 0] += quarter * left[..., 0]
    result[..., -1] += quarter * right[..., -1]
    return result


def _up(grid: Grid) -> Grid:
    """From blocks to their cells, by linear interpolation."""
    return _doubled(_doubled(grid).swapaxes(-2, -1)).swapaxes(-2, -1)


def _doubled(grid: Grid) -> Grid:
    result = np.empty((*grid.shape[:-1], 2 * grid.shape[-1]), np.float32)
    left, right = result[..., 0::2], result[..., 1::2]
    np.multiply(grid, np.float32(0.75), out=left)
    right[...] = left
    quarter = np.float32(0.25) * grid
    left[..., 1:] += quarter[..., :-1]
    left[..., 0] += quarter[..., 0]
    right[..., :-1] += quarter[..., 1:]
    right[..., -1] += quarter[..., -1]
    return result
