"""Compiled functions of many variants of each image, which are made inside the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batches import Batches, require_classes
from saliency_bench.network.forward import Traced, compiled, passed, require_built
from saliency_bench.network.trace import input_shape
from saliency_bench.protocols import Floats, Ints, Output

Variant = Callable[..., Any]
"""Inside a graph: images `[P, H, W, C]` and settings `[P, ...]` of each to what the model sees."""


@dataclass(frozen=True)
class Pairs:
    """A batch of image-sample pairs, image by image.

    Attributes:
        image: `[P]` which image each pair belongs to.
        sample: `[P]` which of its samples it is.
    """

    image: NDArray[np.int64]
    sample: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def images(self) -> slice:
        """The images in this batch, which are consecutive."""
        return slice(int(self.image[0]), int(self.image[-1]) + 1)

    def add_to(self, totals: NDArray[np.float64], values: Floats) -> None:
        """Add each pair's value `[P, ...]` to its image's total `[N, ...]`."""
        starts = np.flatnonzero(np.diff(self.image, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(values)], strict=True):
            # A batch is added up in its own precision, which is fast, and batches in float64.
            totals[self.image[start]] += values[start:stop].sum(axis=0)


def pairs(images: int, samples: int, batch: int) -> Iterator[Pairs]:
    """All `images * samples` pairs, `batch` of them at a time."""
    for start in range(0, images * samples, batch):
        index = np.arange(start, min(start + batch, images * samples))
        yield Pairs(index // samples, index % samples)


@dataclass(frozen=True)
class Sampled(Traced):
    """The tensors of one traced forward pass of variants; `images` are the variants.

    Attributes:
        index: `[P]` which of the batch's images each variant is of.
        weights: `[P]` of each variant in a sum.
        settings: `[P, ...]` each, of each variant.
    """

    index: Any
    weights: Any
    settings: tuple[Any, ...]

    def total(self, rows: Any) -> Any:
        """The weighted sum of each image's rows, `[images of the batch, ...]`."""
        weights = tf.reshape(self.weights, [-1, *[1] * (rows.shape.rank - 1)])
        return tf.math.segment_sum(rows * weights, self.index)


class SampleKernel:
    """A function of variants of each image, compiled once; it reads the model's live weights.

    The variants exist inside the graph only: what goes in is each image of a batch once, and the
    settings of its variants, so memory does not grow with the samples.

    Args:
        model: any built Keras model.
        body: what is computed of a batch of P variants: P rows, or `Sampled.total` of them.
        variant: images `[P, H, W, C]` and settings to what the model sees, inside the graph.
        ranks: of each setting, without its first axis.
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
        self._model, self._output = model, output
        self._body, self._variant, self._ranks = body, variant, tuple(ranks)
        self._batches = Batches()
        self._classes = 0
        self._compiled: dict[tuple[int, ...], Any] = {}
        require_built(model)
        shape = input_shape(model)
        if shape is not None and None not in shape:
            self._function(tuple(size for size in shape if size is not None))

    @property
    def batch(self) -> int:
        """Variants that are evaluated at once."""
        return self._batches.rows

    def __call__(
        self,
        images: Floats,
        targets: Ints,
        batch: Pairs,
        *settings: NDArray[Any],
        weights: Floats | None = None,
    ) -> NDArray[np.float32]:
        """One batch of the variants of images `[N, H, W, C]` to what the body makes of it.

        Args:
            images: `[N, H, W, C]` all of them.
            targets: `[N]` the class to explain in each.
            batch: at most `self.batch` variants.
            settings: `[P, ...]` of each variant.
            weights: `[P]` of each variant in a sum; default 1.

        Raises:
            ValueError: if a target is not one of the model's classes.
        """
        own = batch.images
        function = self._function(images.shape[1:])
        require_classes(targets[own], self._classes)
        shares = np.ones(len(batch)) if weights is None else weights
        self._batches.count(shares)
        given = (batch.image - own.start, targets[batch.image], *settings)
        found = function(
            tf.constant(images[own], tf.float32),
            tf.constant(np.append(shares, np.zeros(self._batches.missing(shares))), tf.float32),
            *(
                tf.constant(self._batches.filled(rows), dtype)
                for rows, dtype in zip(given, self._types, strict=True)
            ),
        )
        return np.asarray(found.numpy()[: len(batch)])

    @property
    def _types(self) -> tuple[Any, ...]:
        return tf.int32, tf.int32, *(tf.float32 for _ in self._ranks)

    def _function(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            self._compiled[shape] = self._trace(shape)
        return self._compiled[shape]

    def _trace(self, shape: tuple[int, ...]) -> Any:
        def traced(images: Any, weights: Any, index: Any, targets: Any, *settings: Any) -> Any:
            variants = self._variant(tf.gather(images, index), *settings)
            variants.set_shape([None, *shape])
            seen = passed(self._model, variants, self._output)
            self._classes = seen.scores.shape[1]
            own = Sampled(variants, targets, seen.scores, seen.calls, index, weights, settings)
            return tf.cast(self._body(own), tf.float32)

        each = tf.TensorSpec([None], tf.int32)
        free = (tf.TensorSpec([None] * (1 + rank), tf.float32) for rank in self._ranks)
        images, weights = (
            tf.TensorSpec([None, *shape], tf.float32),
            tf.TensorSpec([None], tf.float32),
        )
        return compiled(traced, (images, weights, each, each, *free))
