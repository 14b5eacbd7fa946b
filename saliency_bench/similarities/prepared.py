"""What all similarities share: prepared rows, and the call that compares two arrays of maps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats, Ints, Similarity


@dataclass(frozen=True)
class Rows:
    """Arrays with a common leading axis of N maps; undefined rows are NaN in every float array.

    Attributes:
        defined: `[N]` bool, False where nothing can be said of the map.
    """

    defined: NDArray[np.bool_]

    def take(self, index: slice | Ints) -> Self:
        """The rows `index`, in that order."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def scores(measure: Similarity, maps: Floats, others: Floats) -> NDArray[np.float64]:
    """`[N]` scores of two arrays of maps `[N, H, W, C']`.

    Raises:
        ValueError: if their shapes differ.
    """
    if maps.shape != others.shape:
        raise ValueError(f"maps must have equal shapes, got {maps.shape} and {others.shape}")
    return measure.compare(measure.prepare(maps), measure.prepare(others))


def check_threshold(threshold: float | None) -> None:
    """Raises ValueError unless `threshold`, a share of what was retained, is in (0, 1) or None."""
    if threshold is not None and not 0 < threshold < 1:
        raise ValueError(f"threshold must be in (0, 1) or None, got {threshold}")
