"""How the weights of a variable are drawn: from one stream, or a large variable from several."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats

CHUNK = 2**22
"""Most weights that are drawn from one stream."""

BLOCK = 2**15
"""Number of weights that are computed at once: they fit into a processor's cache."""

_TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a standard normal that is truncated at 2."""


class Distribution(ABC):
    """Fills an array with weights; a further stream is needed after each `chunk` of them."""

    chunk: ClassVar[int] = CHUNK

    @abstractmethod
    def fill(self, random: np.random.Generator, weights: NDArray[Any]) -> None:
        """Replace all `weights` `[n]`."""


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between -limit and limit, in float32."""

    limit: float

    def fill(self, random: np.random.Generator, weights: NDArray[Any]) -> None:
        """Replace all `weights` `[n]`."""
        limit = np.float32(self.limit)
        for part, scratch in _blocks(weights, np.float32):
            random.random(dtype=np.float32, out=scratch)
            scratch *= 2 * limit
            np.subtract(scratch, limit, out=part, casting="unsafe")


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal with mean 0."""

    std: float

    def fill(self, random: np.random.Generator, weights: NDArray[Any]) -> None:
        """Replace all `weights` `[n]`."""
        for part, scratch in _blocks(weights, np.float64):
            random.standard_normal(out=scratch)
            np.multiply(scratch, self.std, out=part, casting="unsafe")


@dataclass(frozen=True)
class TruncatedNormal(Distribution):
    """Normal with mean 0; values beyond 2 standard deviations are drawn again.

    Attributes:
        scale: the standard deviation without the truncation.
    """

    scale: np.floating[Any] | float

    @classmethod
    def of_std(cls, std: np.floating[Any] | float) -> TruncatedNormal:
        """The one whose standard deviation is `std` after the truncation."""
        return cls(std / _TRUNCATED_STD)

    def fill(self, random: np.random.Generator, weights: NDArray[Any]) -> None:
        """Replace all `weights` `[n]`."""
        values = random.standard_normal(weights.size, dtype=np.float32)
        beyond = np.flatnonzero(np.abs(values) > 2)
        while beyond.size:
            values[beyond] = random.standard_normal(beyond.size, dtype=np.float32)
            beyond = beyond[np.abs(values[beyond]) > 2]
        np.multiply(values, self.scale, out=weights, casting="unsafe")


@dataclass(frozen=True)
class Constant(Distribution):
    """One number for all weights.

    Attributes:
        value: that number.
    """

    value: float

    def fill(self, random: np.random.Generator, weights: NDArray[Any]) -> None:
        """Replace all `weights` `[n]`."""
        weights[:] = self.value


@dataclass(frozen=True)
class Whole(Distribution):
    """Weights that only one stream can draw, all at once.

    Attributes:
        draw: from a stream to an array of all weights, of any shape.
    """

    chunk: ClassVar[int] = sys.maxsize

    draw: Callable[[np.random.Generator], Floats]

    def fill(self, random: np.random.Generator, weights: NDArray[Any]) -> None:
        """Replace all `weights` `[n]`."""
        weights[:] = np.ravel(self.draw(random))


def _blocks(weights: NDArray[Any], precision: type) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Parts of `weights` `[n]`, each with as many numbers to compute it in."""
    scratch: NDArray[Any] = np.empty(BLOCK, precision)
    for start in range(0, weights.size, BLOCK):
        part = weights[start : start + BLOCK]
        yield part, scratch[: part.size]
