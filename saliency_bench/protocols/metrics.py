"""Protocols of metrics: numbers that say whether one map is right, stable or readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.scenes import Floats, Ints

Explain = Callable[[Floats, Ints, Ints | None], Floats]
"""Explains other images as the maps were made: images `[M, H, W, C]`, targets `[M]` and keys `[M]`
(or None) to maps `[M, H, W, C']`."""

Numbers = Mapping[str, NDArray[Any]]
"""What a metric found, by name: `VALUE` `[N]`, NaN where it is undefined; further arrays of N rows,
such as the curve behind each value."""

VALUE, CURVE = "value", "curve"


class BoundMetric(Protocol):
    """A metric for one model: compiled once, and reads the live weights of the model."""

    def __call__(
        self,
        maps: Floats,
        images: Floats,
        targets: Ints,
        *,
        regions: NDArray[np.bool_] | None = None,
        explain: Explain | None = None,
        keys: Ints | None = None,
    ) -> NDArray[np.float64]:
        """One number per image `[N]`, NaN where it is undefined.

        A number depends on its own row alone: not on the batch, nor on the order of the images.

        Args:
            maps: `[N, h, w, C']`.
            images: `[N, H, W, C]`, model units, that the maps explain.
            targets: `[N]` int, the explained classes.
            regions: `[N, H, W]` bool: where the evidence lies; empty where it is not known.
            explain: explains changed images.
            keys: `[N]` int, which seed all that is random; default: a hash of each image.
        """
        ...


@runtime_checkable
class Detailed(Protocol):
    """A bound metric that gives more than its value."""

    def measure(
        self,
        maps: Floats,
        images: Floats,
        targets: Ints,
        *,
        regions: NDArray[np.bool_] | None = None,
        explain: Explain | None = None,
        keys: Ints | None = None,
    ) -> Numbers:
        """As the call, with all that stands behind the value."""
        ...


class Metric(Protocol):
    """A number per image of one map, asked of the model, of a mask, or of the map itself."""

    family: ClassVar[Literal["faithfulness", "localisation", "robustness", "complexity"]]
    """What it is about."""

    direction: ClassVar[Literal["higher", "lower"]]
    """The better side."""

    unit: ClassVar[str]
    """Of its values, e.g. "share of the map", "logit"."""

    chance: ClassVar[bool]
    """Whether the same map, moved to another place of the picture, says what a map that knows
    nothing scores. Else the metric gives a number without a verdict."""

    controls: ClassVar[Mapping[str, str]]
    """The result that a control must not miss, by the name of its class: "better" of an oracle,
    "not better" of noise."""

    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`. Raises `NotApplicable` if the metric cannot serve it."""
        ...
