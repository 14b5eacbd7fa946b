"""Correlation of many pairs of vectors, with all that depends on one vector done beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench.similarities.prepared import Rows
from saliency_bench.similarities.reduce import chunks, varies


@dataclass(frozen=True)
class Vectors(Rows):
    """Vectors with mean 0 and length 1: the product of two is their Pearson correlation.

    Attributes:
        unit: `[N, D]` float64.
    """

    unit: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: NDArray[np.float64]) -> Self:
        """Standardise `[N, D]`; constant vectors and vectors of NaN are undefined."""
        defined = varies(vectors)
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        length = np.sqrt(np.einsum("nd,nd->n", centred, centred))
        centred /= np.where(defined, length, np.nan)[:, None]
        return cls(defined=defined, unit=centred)


def correlate(reference: Vectors, changed: Vectors) -> NDArray[np.float64]:
    """`[N]` Pearson correlations, NaN where either vector is undefined."""
    return np.asarray(np.einsum("nd,nd->n", reference.unit, changed.unit))


def average_ranks(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks 1..D within each row of `[N, D]`; equal numbers share the mean of their ranks."""
    ranks = np.empty(vectors.shape)
    for part in chunks(*vectors.shape):
        ranks[part] = _ranks(vectors[part])
    return ranks


def _ranks(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """One sort, then the repair of ties: a run of equal numbers gets the middle of its places."""
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
