"""Correlation of many pairs of vectors; what depends on one vector is computed in advance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench.similarities.prepared import PreparedMaps
from saliency_bench.similarities.reduce import chunks, varies


@dataclass(frozen=True)
class Vectors(PreparedMaps):
    """Vectors with mean 0 and length 1: the scalar product of two is their Pearson correlation.

    Attributes:
        unit: `[N, D]` float64, the vectors.
    """

    unit: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: NDArray[np.float64]) -> Self:
        """Standardise vectors `[N, D]`; constant vectors and vectors with NaN are undefined."""
        defined = varies(vectors)
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        length = np.sqrt(np.einsum("nd,nd->n", centred, centred))
        centred /= np.where(defined, length, np.nan)[:, None]
        return cls(defined=defined, unit=centred)


def correlate(reference: Vectors, changed: Vectors) -> NDArray[np.float64]:
    """`[N]` Pearson correlations, NaN where either vector is undefined."""
    return np.asarray(np.einsum("nd,nd->n", reference.unit, changed.unit))


def average_ranks(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks 1..D within each row of `[N, D]`; ties have the mean of their ranks."""
    ranks = np.empty(vectors.shape)
    for part in chunks(*vectors.shape):
        ranks[part] = _ranks(vectors[part])
    return ranks


def _ranks(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sort once, then give each run of equal numbers the middle of its ranks."""
    n, d = vectors.shape
    order = np.argsort(vectors, axis=1) + np.arange(n)[:, None] * d
    ordered = vectors.ravel()[order]
    opens_run = np.ones((n, d), dtype=np.bool_)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=opens_run[:, 1:])
    starts = np.flatnonzero(opens_run)
    lengths = np.diff(starts, append=n * d)
    ranks = np.empty(n * d)
    ranks[order.ravel()] = np.repeat(starts % d + (lengths + 1) / 2, lengths)
    ranks = ranks.reshape(n, d)
    ranks[np.isnan(vectors).any(axis=1)] = np.nan
    return ranks
