"""How few pixels a map needs, whatever they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from saliency_bench.metrics.base import Bound, Inputs, Metric
from saliency_bench.metrics.planes import plane
from saliency_bench.protocols.metrics import VALUE, BoundMetric, Numbers

REMARK = (
    "It asks neither the network nor the image: one bright pixel anywhere is the best map, and a "
    "map that is best at it may show nothing that the network used."
)


@dataclass(frozen=True)
class _Complexity(Metric):
    """A number of a map's magnitudes alone, summed over channels, at the map's own size.

    A map of zeros, or one that is not finite, is undefined.
    """

    family: ClassVar[Literal["complexity"]] = "complexity"
    chance: ClassVar[bool] = False
    remark: ClassVar[str] = REMARK

    def bind(self, model: Any) -> BoundMetric:
        """A metric of maps alone; the model is not used."""
        return _OfMaps(self.of)

    @abstractmethod
    def of(self, magnitudes: NDArray[np.float64]) -> float:
        """The value of one map; NaN where it is undefined.

        Args:
            magnitudes: `[n]`, at least 0 and the largest of them 1.
        """


@dataclass(frozen=True)
class Gini(_Complexity):
    """The Gini index of a map's magnitudes (Chalasani et al., 2020): sparseness.

    With the n magnitudes sorted, G = sum_i (2i - n - 1) e_i / (n sum_i e_i): 0 for a constant map,
    (n - 1) / n for one pixel. It does not depend on the scale of the map.
    """

    papers: ClassVar[tuple[str, ...]] = ("chalasani2020",)
    direction: ClassVar[Literal["higher"]] = "higher"
    unit: ClassVar[str] = "Gini index"
    words: ClassVar[str] = (
        "how unevenly a map's magnitude is spread: 0 evenly, near 1 on a single pixel"
    )

    def of(self, magnitudes: NDArray[np.float64]) -> float:
        """The index, in [0, 1)."""
        count = len(magnitudes)
        weights = 2 * np.arange(1, count + 1) - count - 1
        return float((weights * np.sort(magnitudes)).sum() / (count * magnitudes.sum()))


@dataclass(frozen=True)
class Entropy(_Complexity):
    """The entropy of a map's magnitudes as shares (Bhatt et al., 2020), divided by ln n.

    1 for a constant map of n pixels, 0 for one pixel. A map of a single pixel is undefined.
    """

    papers: ClassVar[tuple[str, ...]] = ("bhatt2020",)
    direction: ClassVar[Literal["lower"]] = "lower"
    unit: ClassVar[str] = "share of the largest entropy"
    words: ClassVar[str] = "the entropy of a map's magnitude over its pixels: 1 if it is even"

    def of(self, magnitudes: NDArray[np.float64]) -> float:
        """The entropy, in [0, 1]."""
        count = len(magnitudes)
        shares = magnitudes / magnitudes.sum()
        return float(special.entr(shares).sum() / np.log(count)) if count > 1 else np.nan


@dataclass(frozen=True)
class _OfMaps(Bound):
    of: Callable[[NDArray[np.float64]], float]

    def numbers(self, given: Inputs) -> Numbers:
        return {VALUE: np.array([self._of(one) for one in given.maps], np.float64)}

    def _of(self, one: NDArray[np.float32]) -> float:
        magnitudes = plane(one, absolute=True).ravel()
        largest = magnitudes.max()
        return self.of(magnitudes / largest) if largest > 0 else np.nan
