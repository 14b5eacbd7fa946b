"""Colours for the numbers of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Palette:
    """Colours for the numbers of a row of maps; `low` is the lower end of the scale."""

    colours: str
    low: float
    label: str


SIGNED = Palette("RdBu_r", -1.0, "signed map")
UNSIGNED = Palette("viridis", 0.0, "unsigned map")


ROUNDING = 1e-6
"""A map is constant if its range is smaller, relative to its largest value."""


def palette(*, signed: bool) -> Palette:
    """A scale about zero for maps whose sign means something, else one from zero up."""
    return SIGNED if signed else UNSIGNED


def emptiness(values: Array) -> str:
    """Why a plane `[H, W]` shows nothing: constant or nowhere finite; otherwise empty."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "nowhere finite"
    if np.ptp(finite) <= ROUNDING * np.abs(finite).max():
        return f"constant: {finite.flat[0] + 0:.3g} everywhere"
    return ""


def plane(attributions: Array) -> Array:
    """A map `[H, W, C]` summed over its channels."""
    summed: Array = attributions.sum(axis=-1, dtype=np.float64)
    return summed


def scaled(values: Array) -> Array:
    """A plane `[H, W]` in units of its own 99th percentile of |m|."""
    size = np.abs(values[np.isfinite(values)])
    if not size.size or size.max() == 0:
        return values
    # The percentile of a sparse map can be 0; then its largest value is the unit.
    unit: float = np.percentile(size, 99) or size.max()
    return values / unit
