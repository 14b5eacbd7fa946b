"""Protocols of explainers and of similarities."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.scenes import Floats, Ints


class Bound(Protocol):
    """An explainer for one model: compiled once, and reads the live weights of the model."""

    def __call__(
        self, images: Floats, targets: Ints, *, keys: Ints | None = None
    ) -> NDArray[np.float32]:
        """Images `[N, H, W, C]` and targets `[N]` to raw signed maps `[N, H, W, C']`."""
        ...


@runtime_checkable
class Explainer(Protocol):
    """Maps a model, images and target classes to attribution maps."""

    @property
    def signed(self) -> bool:
        """Whether the sign of a map's values has a meaning."""
        ...

    @property
    def class_specific(self) -> bool:
        """Whether the map depends on the target."""
        ...

    @property
    def stochastic(self) -> bool:
        """Whether the map depends on a seed."""
        ...

    @property
    def uses_gradients(self) -> bool:
        """Whether the model must be differentiable."""
        ...

    @property
    def multiplies_input(self) -> bool:
        """Whether the input is a factor of the map."""
        ...

    def bind(self, model: Any) -> Bound:
        """Compile for `model`. Raises `NotApplicable` if the method cannot handle it."""
        ...


@runtime_checkable
class Prepared(Protocol):
    """Maps that are prepared for many comparisons."""

    defined: NDArray[np.bool_]
    """`[N]`: False where the map is constant to the similarity, so that it has no score."""

    def take(self, index: Ints) -> Prepared:
        """The rows `index`, in that order."""
        ...


@runtime_checkable
class Similarity(Protocol):
    """One score per image from a reference map and a changed map.

    It needs only the maps, so it may run later than the loop over the networks.
    """

    @property
    def threshold(self) -> float | None:
        """The largest `retained` that passes a check; None gives no verdict."""
        ...

    def prepare(self, maps: Floats) -> Any:
        """Maps `[N, H, W, C']` to a `Prepared` of N rows; called once for a reference."""
        ...

    def compare(self, reference: Any, changed: Any) -> NDArray[np.float64]:
        """`[N]` scores, NaN where either row is undefined."""
        ...


@runtime_checkable
class RegionMeasure(Protocol):
    """One score per image from two maps and the regions of their scenes.

    A check brings such a measure if its question is where in the image a map lies.
    """

    @property
    def threshold(self) -> float | None:
        """The largest `retained` that passes the check; None gives no verdict."""
        ...

    @property
    def null(self) -> float:
        """The score of a map of which nothing is left; other images do not tell it."""
        ...

    def prepare(self, maps: Floats, regions: NDArray[np.bool_], /) -> Any:
        """Maps `[N, h, w, C']` and regions `[N, H, W]` to a `Prepared` of N rows."""
        ...

    def compare(self, reference: Any, changed: Any) -> NDArray[np.float64]:
        """`[N]` scores, NaN where either row is undefined."""
        ...


Measure = Similarity | RegionMeasure


@runtime_checkable
class RegionExplainer(Protocol):
    """An explainer whose maps are made of the regions of a scene: a control."""

    def of_regions(self, images: Floats, regions: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """Maps `[N, H, W, C']` of regions `[N, H, W]`; None where a check has none."""
        ...
