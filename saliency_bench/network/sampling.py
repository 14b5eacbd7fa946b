"""Compiled functions of many variants of each image, which are computed inside the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batches import CompiledFunction, require_classes
from saliency_bench.network.forward import Traced, compile_graph
from saliency_bench.protocols import Floats, Ints, Output

Variant = Callable[..., Any]
"""From images `[P, H, W, C]` and settings `[P, ...]` to the model's input, inside a graph."""


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


@dataclass(frozen=True)
class Sampled(Traced):
    """The tensors of one traced forward pass of variants, which are its `images`.

    Attributes:
        index: `[P]` the index of each variant's image within the batch.
        weights: `[P]` the weight of each variant in a sum.
        settings: `[P, ...]` each, the settings of each variant.
    """

    index: Any
    weights: Any
    settings: tuple[Any, ...]

    def total(self, rows: Any) -> Any:
        """The weighted sum of rows `[P, ...]` for each image of the batch, `[images, ...]`."""
        weights = tf.reshape(self.weights, [-1, *[1] * (rows.shape.rank - 1)])
        return tf.math.segment_sum(rows * weights, self.index)


class SampleKernel(CompiledFunction):
    """A function of variants of images, compiled once for a model.

    A batch consists of its images, each once, and the settings of their variants. The variants
    exist only inside the graph, so memory does not grow with the number of samples.

    Args:
        model: any built Keras model.
        body: what is computed from P variants: P rows, or `Sampled.total` of them.
        variant: from images `[P, H, W, C]` and settings to the model's input, inside the graph.
        ranks: rank of each setting, without its first axis.
        output: which output of the model is scored.

    Raises:
        ValueError: if the model is not built, or has no output that can be explained.
    """

    def __init__(
        self,
        model: Any,
        body: Callable[[Sampled], Any],
        variant: Variant,
        *,
        ranks: Sequence[int],
        output: Output = "logit",
    ) -> None:
        self._body, self._variant, self._ranks = body, variant, tuple(ranks)
        super().__init__(model, output)

    def __call__(
        self,
        images: Floats,
        targets: Ints,
        batch: SampleBatch,
        *settings: NDArray[Any],
        weights: Floats | None = None,
    ) -> NDArray[np.float32]:
        """Evaluate the body on one batch of variants.

        Args:
            images: `[N, H, W, C]`, all images, model units.
            targets: `[N]` the class to explain in each image.
            batch: which variants; at most `self.batch`.
            settings: `[P, ...]` each, the settings of each variant.
            weights: `[P]` the weight of each variant in a sum; default: 1.

        Raises:
            ValueError: if a target is not one of the model's classes.
        """
        own = batch.images
        function = self._function(images.shape[1:])
        require_classes(targets[own], self._classes)
        shares = np.ones(len(batch)) if weights is None else weights
        self._batches.count(shares)
        rows = (batch.image - own.start, targets[batch.image], *settings)
        result = function(
            tf.constant(images[own], tf.float32),
            tf.constant(np.append(shares, np.zeros(self._batches.missing(shares))), tf.float32),
            *(
                tf.constant(self._batches.fill(values), dtype)
                for values, dtype in zip(rows, self._types, strict=True)
            ),
        )
        return np.asarray(result.numpy()[: len(batch)])

    @property
    def _types(self) -> tuple[Any, ...]:
        return tf.int32, tf.int32, *(tf.float32 for _ in self._ranks)

    def _trace(self, shape: tuple[int, ...]) -> Any:
        def trace(images: Any, weights: Any, index: Any, targets: Any, *settings: Any) -> Any:
            variants = self._variant(tf.gather(images, index), *settings)
            variants.set_shape([None, *shape])
            result = self._forward(variants)
            sampled = Sampled(variants, targets, result, index, weights, settings)
            return tf.cast(self._body(sampled), tf.float32)

        each = tf.TensorSpec([None], tf.int32)
        free = (tf.TensorSpec([None] * (1 + rank), tf.float32) for rank in self._ranks)
        images, weights = (
            tf.TensorSpec([None, *shape], tf.float32),
            tf.TensorSpec([None], tf.float32),
        )
        return compile_graph(trace, (images, weights, each, each, *free))
