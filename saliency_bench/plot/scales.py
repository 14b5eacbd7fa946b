"""Colour scales: from the values of a map to colours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from saliency_bench.report.figures import palette
from saliency_bench.report.figures.palette import SIGNED, Palette, emptiness

PERCENTILE = 99.0
"""Default percentile of a map's absolute values at which its colours end."""

UNDEFINED = 160 / 255
"""Grey level of values that are not finite."""

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scale:
    """A colour scale.

    Attributes:
        palette: diverging about 0 if there are negative values, otherwise sequential from 0.
        end: the absolute value at which the colours end.
        sparse: whether the percentile is 0, so that the colours end at the largest value.
    """

    palette: Palette
    end: float
    sparse: bool = False

    def shares(self, values: Array) -> Array:
        """A plane `[H, W]` in units of `end`, clipped to the range of the colours."""
        units: Array = values / self.end
        return units.clip(self.palette.low, 1)

    def painted(self, values: Array) -> NDArray[np.float32]:
        """A plane `[H, W]` as colours `[H, W, 3]` in [0, 1]; grey where it is not finite."""
        low = self.palette.low
        positions = (np.nan_to_num(self.shares(values)) - low) / (1 - low)
        colormap = mpl.colormaps[self.palette.colours]
        colours = np.array(colormap(positions), np.float32)[..., :3]
        colours[~np.isfinite(values)] = UNDEFINED
        return colours

    def __str__(self) -> str:
        """The values at which the colours end, as text."""
        ends = f"±{self.end:.2g}" if self.palette is SIGNED else f"0 to {self.end:.2g}"
        return f"{ends} (max)" if self.sparse else ends


def scale(maps: Iterable[Array], *, percentile: float = PERCENTILE) -> Scale | None:
    """The common scale of one or more maps; None if all are constant or nowhere finite.

    Args:
        maps: `[H, W]` or `[H, W, C']` each; channels are summed.
        percentile: percentile of the absolute values at which the colours end.

    Raises:
        ValueError: if the percentile is not in (0, 100], or a map has another shape.
    """
    check_percentile(percentile)
    planes = [values for values in map(plane, maps) if not emptiness(values)]
    if not planes:
        return None
    values = np.concatenate([own[np.isfinite(own)] for own in planes])
    size = np.abs(values)
    end = float(np.percentile(size, percentile))
    # The percentile of a sparse map can be 0; then its largest value is the end.
    return Scale(
        palette.palette(signed=bool((values < 0).any())), end or float(size.max()), sparse=not end
    )


def check_percentile(percentile: float) -> None:
    """Raise `ValueError` unless the percentile is in (0, 100]."""
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be above 0 and at most 100; got {percentile:g}")


def plane(attributions: Array) -> Array:
    """A map `[H, W]`, or one `[H, W, C']` summed over its channels.

    Raises:
        ValueError: if it has another shape, is empty, or has no numbers.
    """
    values = np.asarray(attributions)
    if values.ndim not in (2, 3) or not values.size or values.dtype.kind not in "fiu":
        raise ValueError(
            f"a map must be numbers [H, W] or [H, W, C]; got {values.dtype} of shape {values.shape}"
        )
    return palette.plane(values if values.ndim == 3 else values[..., None])
