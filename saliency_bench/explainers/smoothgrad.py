"""Moments of a base explainer's maps over noisy copies of the image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Wrapper, in_float32
from saliency_bench.protocols import Bound, Floats, Ints
from saliency_bench.randomize import image_keys, stream

if TYPE_CHECKING:
    Sample = tuple[network.SampleBatch, Floats]
    """A batch of noisy copies, and an array with one row for each."""


@dataclass(frozen=True)
class _Noisy(Wrapper):
    """A statistic of the maps of noisy copies of each image.

    An image's noise depends on `seed` and its key only: it is the same for every network, batch and
    statistic.

    Attributes:
        base: the explainer of the noisy copies.
        samples: noisy copies per image.
        noise: standard deviation of the Gaussian noise, as a share of the image's max - min.
        seed: of the noise.
    """

    stochastic: ClassVar[bool] = True

    samples: int = 50
    noise: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1; got {self.samples}")
        if self.noise < 0:
            raise ValueError(f"noise must be at least 0; got {self.noise}")

    @abstractmethod
    def statistic(self, batches: Iterator[Sample], images: int) -> NDArray[np.float32]:
        """Reduce the maps of all samples to one map per image.

        Args:
            batches: batches, each with its maps `[P, H, W, C']`.
            images: number of images.
        """

    def compile(self, model: Any) -> Bound:
        """Compile the base for `model`."""
        base = self.base.bind(model)
        rows = network.rows_at_once()

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images = np.asarray(images, np.float32)
            seeds = image_keys(images) if keys is None else keys
            batches = (
                (
                    batch,
                    base(noisy, targets[batch.image], keys=seeds[batch.image] + batch.sample),
                )
                for batch, noisy in _ahead(self._copies(images, seeds, rows))
            )
            return self.statistic(batches, len(images))

        return explain

    def _copies(self, images: Floats, seeds: Ints, rows: int) -> Iterator[Sample]:
        """Noisy copies of the images, `rows` of them at a time."""
        randoms = [stream("smoothgrad", self.seed, int(key)) for key in seeds]
        spread = np.float32(self.noise) * np.ptp(images, axis=(1, 2, 3))
        for batch in network.pairs(len(images), self.samples, rows):
            noisy = np.empty((len(batch), *images.shape[1:]), np.float32)
            for row, image in zip(noisy, batch.image, strict=True):
                randoms[image].standard_normal(dtype=np.float32, out=row)
                row *= spread[image]
                row += images[image]
            yield batch, noisy


@dataclass(frozen=True)
class SmoothGrad(_Noisy):
    """Mean map of noisy copies of each image (Smilkov et al., 2017).

    IG-SmoothGrad is `SmoothGrad(base=IntegratedGradients())`. An image's noise depends on `seed`
    and its key only: it is the same for every network and batch.

    Attributes:
        base: the explainer whose maps are averaged.
        samples: noisy copies per image.
        noise: standard deviation of the Gaussian noise, as a share of the image's max - min.
        seed: of the noise.
    """

    papers: ClassVar[tuple[str, ...]] = ("smilkov2017",)

    def statistic(self, batches: Iterator[Sample], images: int) -> NDArray[np.float32]:
        """The mean."""
        totals = np.zeros(0)
        for batch, maps in batches:
            if not totals.size:
                totals = np.zeros((images, *maps.shape[1:]))
            batch.add_to(totals, maps)
        return np.asarray(totals / self.samples, np.float32)


@dataclass(frozen=True)
class SquareGrad(_Noisy):
    """Mean squared map of noisy copies of each image (Hooker et al., 2019).

    The unit is that of the base's maps squared; a map whose values do not fit into float32 is
    divided by the largest one. Settings and noise as `SmoothGrad`'s.
    """

    papers: ClassVar[tuple[str, ...]] = ("hooker2019",)
    signed: ClassVar[bool] = False
    axioms: ClassVar[frozenset[str]] = USUAL

    def statistic(self, batches: Iterator[Sample], images: int) -> NDArray[np.float32]:
        """Variance plus squared mean: neither can be negative."""
        mean, variance = _moments(batches, images, self.samples)
        return in_float32(variance + mean**2)


@dataclass(frozen=True)
class VarGrad(_Noisy):
    """Variance of the maps of noisy copies of each image (Adebayo et al., 2018).

    The sample variance with ddof 0, so that it is `SquareGrad - SmoothGrad**2`. The unit is that of
    the base's maps squared; a map whose values do not fit into float32 is divided by the largest
    one. Settings and noise as `SmoothGrad`'s.
    """

    papers: ClassVar[tuple[str, ...]] = ("adebayo2018",)
    signed: ClassVar[bool] = False
    axioms: ClassVar[frozenset[str]] = USUAL

    def statistic(self, batches: Iterator[Sample], images: int) -> NDArray[np.float32]:
        """The variance."""
        return in_float32(_moments(batches, images, self.samples)[1])


def _moments(
    batches: Iterator[Sample], images: int, samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each image's maps, both `[N, H, W, C']`.

    Computed in float64, in which the square of a gradient of 3e-21 is not 0, and from differences
    to the image's first map, which avoids cancellation.

    Args:
        batches: batches, each with its maps.
        images: number of images.
        samples: noisy copies per image.
    """
    first = sums = squares = np.zeros(0)
    for batch, maps in batches:
        if not first.size:
            first, sums, squares = (np.zeros((images, *maps.shape[1:])) for _ in range(3))
        starts = batch.sample == 0
        first[batch.image[starts]] = maps[starts]
        away = maps - first[batch.image]
        batch.add_to(sums, away)
        batch.add_to(squares, np.square(away, out=away))
    shift = sums / samples
    return first + shift, np.maximum(squares / samples - shift**2, 0)


def _ahead(items: Iterator[Sample]) -> Iterator[Sample]:
    """Yield the items; another thread makes the next one while the caller uses the present one."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, items, None)
        while (item := future.result()) is not None:
            future = thread.submit(next, items, None)
            yield item
