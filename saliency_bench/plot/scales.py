"""Which number of a map is which colour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from saliency_bench.report.figures import palette
from saliency_bench.report.figures.palette import SIGNED, Palette

PERCENTILE = 99.0
"""Of the absolute values of a map: where its colours end."""

UNDEFINED = 160 / 255
"""Grey: where a map is not finite."""

_ROUNDING = 1e-6  # of the largest value: a map that varies by no more is constant

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scale:
    """Which number of a map is which colour.

    Attributes:
        palette: diverging about 0 where there are negative values, else from 0 up.
        end: the value at which the colours end.
        sparse: the percentile asked for is 0; the colours end at the largest value instead.
    """

    palette: Palette
    end: float
    sparse: bool = False

    def shares(self, values: Array) -> Array:
        """A plane `[H, W]` in units of `end`, clipped to what has a colour of its own."""
        units: Array = values / self.end
        return units.clip(self.palette.low, 1)

    def painted(self, values: Array) -> NDArray[np.float32]:
        """A plane `[H, W]` as colours `[H, W, 3]` in [0, 1]; grey where it is not finite."""
        low = self.palette.low
        positions = (np.nan_to_num(self.shares(values)) - low) / (1 - low)
        painter = mpl.colormaps[self.palette.colours]
        colours = np.array(painter(positions), np.float32)[..., :3]
        colours[~np.isfinite(values)] = UNDEFINED
        return colours

    def __str__(self) -> str:
        """The values at the ends of the colours."""
        ends = f"±{self.end:.2g}" if self.palette is SIGNED else f"0 to {self.end:.2g}"
        return f"{ends} (max)" if self.sparse else ends


def scale(maps: Iterable[Array], *, percentile: float = PERCENTILE) -> Scale | None:
    """The scale of one map, or of several together; None if none of them shows anything.

    Args:
        maps: `[H, W]` or `[H, W, C']` each; channels are summed.
        percentile: of the absolute values; the colours end there.

    Raises:
        ValueError: if the percentile is not in (0, 100] or a map has another shape.
    """
    check_percentile(percentile)
    planes = [values for values in map(plane, maps) if not emptiness(values)]
    if not planes:
        return None
    values = np.concatenate([one[np.isfinite(one)] for one in planes])
    size = np.abs(values)
    end = float(np.percentile(size, percentile))
    # The percentile of a sparse map can be 0; its largest value then is the scale.
    return Scale(palette.palette(values), end or float(size.max()), sparse=not end)


def check_percentile(percentile: float) -> None:
    """Raises `ValueError` unless colours can end at this percentile of |map|."""
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be above 0 and at most 100; got {percentile:g}")


def emptiness(values: Array) -> str:
    """Why a plane `[H, W]` shows nothing, being constant or nowhere finite; else an empty text."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "nowhere finite"
    if np.ptp(finite) <= _ROUNDING * np.abs(finite).max():
        return f"constant: {finite.flat[0]:.3g} everywhere"
    return ""


def plane(attributions: Array) -> Array:
    """A map `[H, W]`, or one `[H, W, C']` summed over its channels.

    Raises:
        ValueError: if it has another shape or nothing in it.
    """
    values = np.asarray(attributions)
    if values.ndim not in (2, 3) or not values.size or values.dtype.kind not in "fiu":
        raise ValueError(
            f"a map must be numbers [H, W] or [H, W, C]; got {values.dtype} of shape {values.shape}"
        )
    return palette.plane(values if values.ndim == 3 else values[..., None])
