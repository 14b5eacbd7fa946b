"""Noise in place of the score, handed back by a rule to the lowest layer with channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batches import Batches
from saliency_bench.network.forward import Traced, compile_graph, forward_pass, require_built
from saliency_bench.network.gradients import derivative
from saliency_bench.network.overrides import Rule
from saliency_bench.network.trace import TRACING, input_shape
from saliency_bench.protocols import Floats, NotApplicable, Output

LEAST_CHANNELS = 3
"""Channels from which the direction of a vector has a meaning; of one channel it is a sign."""

SIDE = 32
"""Most rows, and most columns, of positions that are kept; they are evenly spaced."""

Noise = Callable[[int], Floats]
"""From a number of scores K to noise `[N, K]`."""


class HandedBack:
    """A signal at the scores, handed back to the lowest tensor with at least 3 channels.

    That is the input itself, or the first tensor that every way from the input to the scores
    passes. It is traced as a `Kernel` is, and reads the current weights.

    Args:
        model: any built Keras model.
        output: the scores at which the signal starts.
        rule: a change of the backward pass; None: the gradient.

    Raises:
        NotApplicable: if the rule cannot serve the model, or no tensor has so many channels.
    """

    def __init__(self, model: Any, output: Output = "logit", rule: Rule | None = None) -> None:
        require_built(model)
        self._model, self._rule = model, rule
        self._output: Output = output
        self._classes = 0
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._batches = Batches()
        shape = input_shape(model)
        if shape is not None and None not in shape:
            self._function(tuple(size for size in shape if size is not None))

    def __call__(self, images: Floats, noise: Noise) -> NDArray[np.float32]:
        """Signals `[N, h, w, C]` of images `[N, H, W, C']`.

        Args:
            images: `[N, H, W, C']`, model units.
            noise: makes the signal at the scores.
        """
        function, rows = self._function(images.shape[1:]), self._batches.rows
        signal = np.asarray(noise(self._classes), np.float32)
        parts = [
            self._evaluate(function, images[start : start + rows], signal[start : start + rows])
            for start in range(0, len(images), rows)
        ]
        return np.concatenate(parts)[: len(images)]

    def _evaluate(self, function: Any, images: Floats, signal: Floats) -> NDArray[np.float32]:
        batch = [tf.constant(self._batches.fill(rows), tf.float32) for rows in (images, signal)]
        self._batches.count(len(batch[0]))
        handed: NDArray[np.float32] = function(*batch).numpy()
        return handed

    def _function(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            with TRACING:
                if shape not in self._compiled:  # another thread may have been first
                    self._compiled[shape] = self._trace(shape)
        return self._compiled[shape]

    def _trace(self, shape: tuple[int, ...]) -> Any:
        def trace(images: Any, signal: Any) -> Any:
            result = forward_pass(self._model, images, self._output, self._rule)
            self._classes = result.scores.shape[1]
            with result.in_force():
                tensor = _lowest(Traced(images, None, result))
                start = tf.cast(tf.ensure_shape(signal, [None, self._classes]), result.scores.dtype)
                handed = derivative(result.scores, tensor, "the lowest layer", start=start)
            rows = handed[: tf.shape(images)[0]]  # a rule may have appended some
            return tf.cast(_spread(_as_grid(rows)), tf.float32)

        specs = [tf.TensorSpec([None, *size], tf.float32) for size in (shape, [None])]
        return compile_graph(trace, specs)


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
