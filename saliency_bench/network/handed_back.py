"""Noise in place of the score, handed back by a rule to the lowest layer with channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batches import CompiledFunction
from saliency_bench.network.forward import Traced, compile_graph
from saliency_bench.network.gradients import derivative
from saliency_bench.network.overrides import Rule
from saliency_bench.protocols import Floats, NotApplicable, Output

LEAST_CHANNELS = 3
"""Channels from which the direction of a vector has a meaning; of one channel it is a sign."""

SIDE = 32
"""Most rows, and most columns, of positions that are kept; they are evenly spaced."""

Noise = Callable[[int], Floats]
"""From a number of scores K to noise `[N, K]`."""


class HandedBack(CompiledFunction):
    """A signal at the scores, handed back to the lowest tensor with at least 3 channels.

    That is the input itself, or the first tensor that every way from the input to the scores
    passes.

    Args:
        model: any built Keras model.
        output: the scores at which the signal starts.
        rule: a change of the backward pass; None: the gradient.

    Raises:
        NotApplicable: if the rule cannot serve the model, or no tensor has so many channels.
    """

    def __init__(self, model: Any, output: Output = "logit", rule: Rule | None = None) -> None:
        self._rule = rule
        super().__init__(model, output)

    def __call__(self, images: Floats, noise: Noise) -> NDArray[np.float32]:
        """Signals `[N, h, w, C]` of images `[N, H, W, C']`.

        Args:
            images: `[N, H, W, C']`, model units.
            noise: makes the signal at the scores.
        """
        function = self._function(images.shape[1:])
        signal = np.asarray(noise(self._classes), np.float32)
        parts = [
            self._evaluate(function, images[start : start + self.batch], signal[start:])
            for start in range(0, len(images), self.batch)
        ]
        return np.concatenate(parts)[: len(images)]

    def _evaluate(self, function: Any, images: Floats, signal: Floats) -> NDArray[np.float32]:
        self._batches.count(images)
        rows = map(self._batches.fill, (images, signal[: len(images)]))
        handed: NDArray[np.float32] = function(*(tf.constant(r, tf.float32) for r in rows)).numpy()
        return handed

    def _trace(self, shape: tuple[int, ...]) -> Any:
        def trace(images: Any, signal: Any) -> Any:
            result = self._forward(images, self._rule)
            with result.in_force():
                tensor = _lowest(Traced(images, None, result))
                start = tf.cast(signal, result.scores.dtype)
                handed = derivative(result.scores, tensor, "the lowest layer", start=start)
            rows = handed[: tf.shape(images)[0]]  # a rule may have appended some
            return tf.cast(_spread(_as_grid(rows)), tf.float32)

        # The number of scores is known once the model has run.
        classes = self._count_classes(shape)
        specs = [tf.TensorSpec([None, *size], tf.float32) for size in (shape, [classes])]
        return compile_graph(trace, specs)

    def _count_classes(self, shape: Sequence[int]) -> int:
        spec = tf.TensorSpec([None, *shape], tf.float32)
        compile_graph(lambda images: self._forward(images).scores, [spec])
        return self._classes


def _lowest(traced: Traced) -> Any:
    for tensor in (traced.images, *traced.path.bottlenecks):
        known = tensor.shape.rank is not None and tensor.shape.rank > 1
        if known and (tensor.shape[-1] or 0) >= LEAST_CHANNELS:
            return tensor
    raise NotApplicable(f"no layer before the scores has {LEAST_CHANNELS} channels")


def _as_grid(rows: Any) -> Any:
    """`[B, h, w, C]` of a tensor `[B, ..., C]`; places that are no grid stand below each other."""
    if rows.shape.rank == 4:
        return rows
    size = tf.shape(rows)
    return tf.reshape(rows, [size[0], -1, 1, rows.shape[-1]])


def _spread(rows: Any) -> Any:
    steps = [max(1, -(-(size or SIDE) // SIDE)) for size in rows.shape[1:3]]
    return rows[:, :: steps[0], :: steps[1]]
