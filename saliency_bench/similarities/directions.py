"""Maps as vectors, each with its direction and its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats
from saliency_bench.similarities.prepared import PreparedMaps
from saliency_bench.similarities.reduce import planes, varies


@dataclass(frozen=True)
class Directions(PreparedMaps):
    """Maps as vectors of length 1, and the logarithm of the length that they had.

    The logarithm neither underflows nor overflows where a square would.

    Attributes:
        unit: `[N, D]` float64, the maps divided by their length; a constant map is undefined.
        size: `[N]` natural logarithm of that length.
    """

    unit: NDArray[np.float64]
    size: NDArray[np.float64]

    @classmethod
    def of(cls, maps: Floats, *, absolute: bool) -> Self:
        """Maps `[N, H, W, C']`, summed over their channels.

        Args:
            maps: `[N, H, W, C']`.
            absolute: whether the absolute value is taken before the sum.
        """
        flat = planes(maps, absolute=absolute).reshape(len(maps), -1)
        defined = varies(flat)
        peak = np.where(defined, np.abs(flat).max(axis=1), np.nan)
        scaled = flat / peak[:, None]
        length = np.sqrt(np.einsum("nd,nd->n", scaled, scaled))
        return cls(defined, scaled / length[:, None], np.log(length) + np.log(peak))


def cosine(reference: Directions, changed: Directions) -> NDArray[np.float64]:
    """`[N]` cosine of the angle between two maps, NaN where either is undefined."""
    return np.asarray(np.einsum("nd,nd->n", reference.unit, changed.unit))
