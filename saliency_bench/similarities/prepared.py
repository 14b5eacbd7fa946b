"""What all similarities share: prepared maps, and the call that compares two arrays of maps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats, Ints, Similarity


@dataclass(frozen=True)
class PreparedMaps:
    """Arrays with N maps on the first axis; an undefined map is NaN in every float array.

    Attributes:
        defined: `[N]` bool, False where the map has no defined score.
    """

    defined: NDArray[np.bool_]

    def take(self, index: slice | Ints) -> Self:
        """The maps with these indices, in this order."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def scores(measure: Similarity, maps: Floats, others: Floats) -> NDArray[np.float64]:
    """Scores `[N]` of two arrays of maps `[N, H, W, C']`.

    Args:
        measure: the similarity.
        maps: `[N, H, W, C']`.
        others: of the same shape.

    Raises:
        ValueError: if their shapes differ, or these are no maps.
    """
    maps, others = np.asarray(maps), np.asarray(others)
    if maps.shape != others.shape:
        raise ValueError(f"maps must have equal shapes; got {maps.shape} and {others.shape}")
    return measure.compare(measure.prepare(maps), measure.prepare(others))


def check_threshold(threshold: float | None) -> None:
    """Raise `ValueError` unless the threshold of `retained` is in (0, 1) or None."""
    if threshold is not None and not 0 < threshold < 1:
        raise ValueError(f"threshold must be in (0, 1) or None; got {threshold}")
