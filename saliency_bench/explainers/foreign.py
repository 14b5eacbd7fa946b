"""Explainers whose maps come from code outside this package, and the checks of such maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Method
from saliency_bench.protocols import Bound, Explainer, Floats, Ints
from saliency_bench.storage.fingerprint import describe


@dataclass(frozen=True)
class Function(Method):
    """Any callable `f(model, images, targets) -> maps` as an explainer.

    Its maps may lack the last axis. They count as signed and class specific, since nothing is known
    of the function; a run measures whether it repeats itself.

    Attributes:
        function: images `[N, H, W, C]` and targets `[N]` to maps `[N, h, w]`, `[N, h, w, 1]` or
            `[N, H, W, C]`; `h, w` is the size of the images or of a feature map of the model.
    """

    axioms: ClassVar[frozenset[str]] = USUAL - {"confinement"}

    function: Callable[[Any, Floats, Ints], Floats]

    def __repr__(self) -> str:
        """The function's name and content, not its address: the text is a key of stored results."""
        return f"Function({describe(self.function)})"

    def bind(self, model: Any) -> Bound:
        """Return the function with its model."""
        check = ForeignMaps(self, model)

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = check.in_shape(self.function(model, images, targets), images)
            return check.finite(maps)

        return explain


class ForeignMaps:
    """Checks of maps that come from code outside this package.

    Args:
        explainer: whose maps are checked.
        model: the model it is bound to, not changed yet.
    """

    def __init__(self, explainer: Explainer, model: Any) -> None:
        self._explainer = explainer
        self._model = model
        self._untouched = self._weights()
        self._grids = network.Grids(model)

    def in_shape(self, maps: Any, images: Floats) -> NDArray[np.float32]:
        """Maps as float32 with four axes; a missing last axis is added.

        Args:
            maps: `[N, h, w]`, `[N, h, w, 1]` or `[N, H, W, C]`; `h, w` is the size of the images
                or of a feature map of the model.
            images: `[N, H, W, C]`.

        Raises:
            ValueError: if they have another shape.
        """
        given = np.asarray(maps, np.float32)
        result = given[..., None] if given.ndim == 3 else given
        if not self._grids.fit(result.shape, images.shape):
            known = sorted(self._grids.sizes(images.shape[1:]), reverse=True)
            sizes = ", ".join(f"{height}x{width}" for height, width in known[:8])
            raise ValueError(
                f"maps must be [N, h, w], [N, h, w, 1] with the size of the images or of a feature "
                f"map ({sizes or 'none'}), or shaped as the images, {images.shape}; got shape "
                f"{given.shape}"
            )
        return result

    def finite(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the maps; only those of a changed network may hold NaN or infinity.

        Raises:
            ValueError: if a map of the untouched network is not finite.
        """
        broken = ~np.isfinite(maps).all(axis=(1, 2, 3))
        # A redrawn network may overflow: that is a result, which the scores count as undefined.
        if broken.any() and self._weights() == self._untouched:
            first = int(np.flatnonzero(broken)[0])
            raise ValueError(
                f"{self._explainer!r} must return finite maps of an untouched network; "
                f"got NaN or infinity in the map of image {first}"
            )
        return maps

    def _weights(self) -> str:
        """Hash of the current weights; empty without a model, which a function may not need."""
        return "" if self._model is None else network.fingerprint(self._model)
