"""Hidden pixels as weighted means of their neighbours: a sparse linear system, solved by multigrid.

The four pixels beside a pixel have the weight 1/6, the four at its corners 1/12; neighbours outside
the image are dropped, and the weights of the others keep their ratios (Rong et al., 2022). All
channels, and the masks of one call, are solved at the same time; each on its own terms, so that a
result does not depend on its neighbours in the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.metrics.multigrid import Coarse, Finest, Grid, cycle, neighbours, systems

MOST = 100
"""Steps of the iteration; seven to twelve are usual at any size."""

VALUES = 2**16
"""Solved at once: as many fit into a processor's cache."""


def interpolate(image: NDArray[Any], hidden: NDArray[np.bool_], *, tolerance: float = 1e-5) -> Grid:
    """Copies of an image whose hidden pixels are the weighted means of their neighbours.

    A copy without any other pixel becomes the image's mean.

    Args:
        image: `[H, W, C]`.
        hidden: `[M, H, W]`.
        tolerance: last change of a pixel, as a share of the image's range.

    Returns:
        `[M, H, W, C]` float32.
    """
    # What is computed from a view has its layout, with channels innermost: three times as slow.
    pixels = np.ascontiguousarray(np.moveaxis(np.asarray(image, np.float32), -1, 0))
    span = float(np.ptp(pixels)) or 1.0
    middle = pixels.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    # The numbers of the system lie around 0 and 1, whatever the units of the image.
    scaled = (pixels - middle) / np.float32(span)
    copies = np.empty((len(hidden), *pixels.shape), np.float32)
    most = max(1, VALUES // pixels[0].size)
    for start in range(0, len(hidden), most):
        masks = hidden[start : start + most, None]
        grids, own = systems(masks), copies[start : start + most]
        step = max(1, VALUES // masks.size)
        for first in range(0, len(pixels), step):
            part = slice(first, first + step)
            found = _solve(scaled[part] * ~masks, grids, tolerance)
            # What is not hidden stays as it is, bit for bit.
            own[:, part] = np.where(masks, found * np.float32(span) + middle[part], pixels[part])
    return np.ascontiguousarray(np.moveaxis(copies, 1, -1))


def _solve(known: Grid, grids: Sequence[Finest | Coarse], tolerance: float) -> Grid:
    """Hidden values `[M, C, H, W]` by conjugate gradients, preconditioned by a multigrid cycle.

    Args:
        known: `[M, C, H, W]`, 0 where hidden.
        grids: the systems of the masks, from the finest.
        tolerance: last change of a value.
    """
    fine = grids[0]
    rest = neighbours(known) * fine.inside
    values = np.zeros_like(rest)
    change = cycle(grids, rest)
    direction = change.copy()
    power = _sums(rest, change)
    active = _largest(change) > tolerance
    for _ in range(MOST):
        if not active.any():
            break
        image = fine.apply(direction)
        size = _ratio(power, _sums(direction, image)) * active
        values += size * direction
        image *= size
        rest -= image
        change = cycle(grids, rest)
        # A channel that has converged stays as it is, whatever the others still need.
        active &= _largest(change) > tolerance
        before, power = power, _sums(rest, change)
        direction *= _ratio(power, before)
        direction += change
    return values


def _largest(grid: Grid) -> Grid:
    """The largest magnitude of each grid."""
    flat = _flat(grid)  # over one axis NumPy is several times faster than over two
    ends = np.maximum(flat.max(axis=-1), -flat.min(axis=-1))
    return np.asarray(ends[..., np.newaxis, np.newaxis])


def _sums(one: Grid, other: Grid) -> Grid:
    """The sum of products of each grid."""
    sums = np.einsum("...i,...i->...", _flat(one), _flat(other))
    return np.asarray(sums[..., np.newaxis, np.newaxis])


def _flat(grid: Grid) -> Grid:
    return grid.reshape(*grid.shape[:-2], -1)


def _ratio(above: Grid, below: Grid) -> Grid:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
