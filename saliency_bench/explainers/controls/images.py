"""Controls that look at the image, or at what a check knows of it, and never at the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from saliency_bench.explainers.controls.base import Control
from saliency_bench.protocols import Bound, Floats, Ints


class _ImageOnly(Control):
    """A control whose map depends on the image alone."""

    axioms: ClassVar[frozenset[str]] = frozenset({"noise"})

    def bind(self, model: Any) -> Bound:
        """Return the control; the model is not used."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            return self.of(np.asarray(images, np.float32))

        return explain

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps `[N, H, W, 1]` or `[N, H, W, C]` of images `[N, H, W, C]`."""
        raise NotImplementedError


@dataclass(frozen=True)
class EdgeDetector(_ImageOnly):
    """Sobel gradient magnitude of each channel (Adebayo et al., 2018, figure 1)."""

    papers: ClassVar[tuple[str, ...]] = ("adebayo2018",)

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Edge strength `[N, H, W, C]`."""
        return np.hypot(_sobel(images, along=1, across=2), _sobel(images, along=2, across=1))


@dataclass(frozen=True)
class InputMagnitude(_ImageOnly):
    """The absolute value of the input."""

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """`|images|`, `[N, H, W, C]`."""
        return np.abs(images)


@dataclass(frozen=True)
class Constant(_ImageOnly):
    """The same value everywhere: a map that says nothing."""

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Ones, `[N, H, W, 1]`."""
        return np.ones((*images.shape[:3], 1), np.float32)


@dataclass(frozen=True)
class CentrePrior(_ImageOnly):
    """One blob in the centre, for every image and every model.

    Attributes:
        width: standard deviation of the blob, as a share of the image's side.
    """

    width: float = 0.25

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """A Gaussian, `[N, H, W, 1]`."""
        rows, columns = (
            np.exp(-0.5 * (np.linspace(-0.5, 0.5, size) / self.width) ** 2)
            for size in images.shape[1:3]
        )
        blob = np.outer(rows, columns).astype(np.float32)
        return np.repeat(blob[None, ..., None], len(images), axis=0)


@dataclass(frozen=True)
class OwnRegion(Control):
    """Where the evidence lies for what the network was trained to name, which the check knows.

    Only checks with regions know it; under the others it is constant. Where a bug has no place in
    the image, the region is a sign that tells networks with the bug from sound ones.
    """

    axioms: ClassVar[frozenset[str]] = frozenset()

    def bind(self, model: Any) -> Bound:
        """Return the control without regions; the model is not used."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            return self.of_regions(images, None)

        return explain

    def of_regions(self, images: Floats, regions: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """The regions `[N, H, W]` as maps `[N, H, W, 1]`; ones without regions."""
        if regions is None:
            return np.ones((*images.shape[:3], 1), np.float32)
        return regions[..., np.newaxis].astype(np.float32)


def _sobel(images: Floats, *, along: int, across: int) -> Floats:
    edges = ndimage.correlate1d(images, [-1, 0, 1], axis=along, mode="nearest")
    return np.asarray(ndimage.correlate1d(edges, [1, 2, 1], axis=across, mode="nearest"))
