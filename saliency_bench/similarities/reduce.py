"""From raw maps `[N, H, W, C']` to the planes `[N, H, W]` that similarities compare."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats

CHUNK = 2**15
"""Numbers that are processed at once: 256 KiB of float64, so that they fit into the cache."""


def planes(maps: Floats, *, absolute: bool) -> NDArray[np.float64]:
    """Sum maps over channels in float64; a map with NaN or infinity becomes NaN everywhere.

    Args:
        maps: `[N, H, W, C']`.
        absolute: whether the absolute value is taken before the sum.

    Raises:
        ValueError: if the maps have another number of axes, or there is none.
    """
    check_maps(maps)
    total = np.zeros(maps.shape[:3])
    with np.errstate(invalid="ignore", over="ignore"):  # checked below
        for channel in np.moveaxis(maps, -1, 0):
            total += np.abs(channel) if absolute else channel
    total[~np.isfinite(total).all(axis=(1, 2))] = np.nan
    return total


def check_maps(maps: Floats) -> None:
    """Raise `ValueError` unless maps are numbers `[N, H, W, C']`, at least one."""
    if maps.ndim != 4:
        raise ValueError(f"maps must be [N, H, W, C]; got shape {maps.shape}")
    if maps.size == 0:
        raise ValueError(f"maps must have at least one value; got shape {maps.shape}")
    if maps.dtype.kind not in "fiub":
        raise ValueError(f"maps must be real numbers; got {maps.dtype}")


def varies(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each row `[N, ...]` has two different numbers: `[N]`; False for a row of NaN."""
    axes = tuple(range(1, rows.ndim))
    lower, upper = rows.min(axis=axes), rows.max(axis=axes)
    return np.asarray(lower < upper)


def unit_peak(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale planes `[N, H, W]` to a largest absolute value of 1, so that no square underflows."""
    peak = np.maximum(rows.max(axis=(1, 2)), -rows.min(axis=(1, 2)))
    return rows / np.where(peak == 0, 1, peak)[:, None, None]


def chunks(rows: int, size: int) -> Iterator[slice]:
    """Slices over `rows` rows of `size` numbers each; a slice fits into the cache."""
    step = max(1, CHUNK // size)
    return (slice(start, start + step) for start in range(0, rows, step))
