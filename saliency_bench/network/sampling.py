"""Kernels at many variants of each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batches import Kernel
from saliency_bench.network.forward import compile_graph
from saliency_bench.protocols import Floats, Ints

Variant = Callable[..., Any]
"""From images `[P, H, W, C]` and settings `[P, ...]` to the model's input, inside a graph, alone or
with a factor of each row."""


@dataclass(frozen=True)
class SampleBatch:
    """A batch of P samples of images, image by image.

    Attributes:
        image: `[P]` the index of each sample's image.
        sample: `[P]` the number of each sample among those of its image.
    """

    image: NDArray[np.int64]
    sample: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def images(self) -> slice:
        """The images of this batch, which are consecutive."""
        return slice(int(self.image[0]), int(self.image[-1]) + 1)

    def add_to(self, totals: NDArray[np.float64], values: Floats) -> None:
        """Add each sample's value `[P, ...]` to its image's total `[N, ...]`."""
        starts = np.flatnonzero(np.diff(self.image, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(values)], strict=True):
            # Within a batch the sum is taken in the values' own precision, which is fast.
            totals[self.image[start]] += values[start:stop].sum(axis=0)


def pairs(images: int, samples: int, batch: int) -> Iterator[SampleBatch]:
    """Divide the samples of all images into batches.

    Args:
        images: number of images.
        samples: number of samples per image.
        batch: largest number of samples in a batch.
    """
    for start in range(0, images * samples, batch):
        index = np.arange(start, min(start + batch, images * samples))
        yield SampleBatch(index // samples, index % samples)


class Samples:
    """A kernel at variants of images.

    A batch consists of its images, each once, and the settings of their variants. The variants
    exist only while the kernel runs, so memory does not grow with the number of samples. They are
    made, and their rows are summed, by small graphs of their own: the model is compiled in the
    kernel alone, which may serve several methods.

    Args:
        kernel: from variants `[P, H, W, C]` and targets `[P]` to P rows.
        variant: from images `[P, H, W, C]` and settings `[P, ...]` to the model's input, inside a
            graph; or to that and a factor of each row.
        ranks: rank of each setting, without its first axis.
    """

    def __init__(self, kernel: Kernel, variant: Variant, *, ranks: Sequence[int]) -> None:
        self._kernel, self._variant = kernel, variant
        self._types = (tf.int32, *(tf.float32 for _ in ranks))
        self._ranks = (0, *ranks)
        self._made: dict[tuple[int, ...], Any] = {}
        for shape in kernel.shapes:
            self._make(shape)

    @property
    def batch(self) -> int:
        """Variants that are evaluated at once."""
        return self._kernel.batch

    def rows(
        self, images: Floats, targets: Ints, batch: SampleBatch, *settings: NDArray[Any]
    ) -> NDArray[np.float32]:
        """The kernel's rows `[P, ...]` of one batch of variants.

        Args:
            images: `[N, H, W, C]`, all images, model units.
            targets: `[N]` the class to explain in each image.
            batch: which variants; at most `self.batch`.
            settings: `[P, ...]` each, the settings of each variant.

        Raises:
            ValueError: if a target is not one of the model's classes.
        """
        rows, *_ = self._evaluate(images, targets, batch, settings)
        return np.asarray(rows.numpy()[: len(batch)])

    def sums(
        self,
        images: Floats,
        targets: Ints,
        batch: SampleBatch,
        *settings: NDArray[Any],
        weights: Floats | None = None,
    ) -> NDArray[np.float32]:
        """Weighted sums of the rows, times their factors, of each image of `batch.images`.

        Args:
            images: `[N, H, W, C]`, all images, model units.
            targets: `[N]` the class to explain in each image.
            batch: which variants; at most `self.batch`.
            settings: `[P, ...]` each, the settings of each variant.
            weights: `[P]` the weight of each variant; default: 1.

        Raises:
            ValueError: if a target is not one of the model's classes.
        """
        rows, index, *factors = self._evaluate(images, targets, batch, settings)
        shares = np.zeros(len(rows), np.float32)
        shares[: len(batch)] = 1 if weights is None else weights
        sums: NDArray[np.float32] = _sums(rows, tf.constant(shares), index, *factors).numpy()
        return sums

    def _evaluate(
        self, images: Floats, targets: Ints, batch: SampleBatch, settings: Sequence[NDArray[Any]]
    ) -> tuple[Any, ...]:
        """The rows, the index of each row's image within the batch, and the factors if any."""
        own = batch.images
        fill = self._kernel.batches.fill
        index, *values = (
            tf.constant(fill(column), dtype)
            for column, dtype in zip((batch.image - own.start, *settings), self._types, strict=True)
        )
        made = self._make(images.shape[1:])(tf.constant(images[own], tf.float32), index, *values)
        points, *factors = made if isinstance(made, list | tuple) else (made,)
        return self._kernel.at(points, targets[batch.image]), index, *factors

    def _make(self, shape: tuple[int, ...]) -> Any:
        """The graph that makes variants of images of `shape` `(H, W, C)`."""
        if shape not in self._made:

            def make(images: Any, index: Any, *settings: Any) -> Any:
                return self._variant(tf.gather(images, index), *settings)

            specs = [
                tf.TensorSpec([None] * (1 + rank), dtype)
                for rank, dtype in zip(self._ranks, self._types, strict=True)
            ]
            self._made[shape] = compile_graph(make, (tf.TensorSpec([None, *shape]), *specs))
        return self._made[shape]


def _sums(rows: Any, weights: Any, index: Any, *factors: Any) -> Any:
    """The weighted sum of rows `[P, ...]` for each image, `[images, ...]`."""
    for factor in factors:
        rows *= factor
    return tf.math.segment_sum(
        rows * tf.reshape(weights, [-1, *[1] * (rows.shape.rank - 1)]), index
    )
