"""Noise in place of the score, handed back by a rule to the lowest layer with channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batches import CompiledFunction
from saliency_bench.network.forward import ForwardPass, Traced
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.network.gradients import derivative
from saliency_bench.network.image_rows import ImageRows, image_rows
from saliency_bench.protocols import Floats, NotApplicable

LEAST_CHANNELS = 3
"""Channels from which the direction of a vector has a meaning; of one channel it is a sign."""

SIDE = 32
"""Most rows, and most columns, of positions that are kept; they are evenly spaced."""

Noise = Callable[[int], Floats]
"""From a number of scores K to noise `[N, K]`."""


class HandedBack(CompiledFunction):
    """A signal at the scores, handed back to the lowest tensor with at least 3 channels.

    That is the input itself, or the first tensor, one row an image, that every way from the input
    to the scores passes.

    Args:
        model: any built Keras model.
        output: the scores at which the signal starts.
        rule: a change of the backward pass; None: the gradient.

    Raises:
        NotApplicable: if the rule cannot serve the model, or no tensor has so many channels.
    """

    row: ClassVar[Any] = tf.TensorSpec([None, None], tf.float32)

    def __call__(self, images: Floats, noise: Noise) -> NDArray[np.float32]:
        """Signals `[N, h, w, C]` of images `[N, H, W, C']`.

        Args:
            images: `[N, H, W, C']`, model units.
            noise: makes the signal at the scores.
        """
        function, rows = self._function(images.shape[1:]), self.batch
        signal = np.asarray(noise(self._classes), np.float32)
        parts = [
            self._evaluate(function, images[start : start + rows], signal[start : start + rows])
            for start in range(0, len(images), rows)
        ]
        return np.concatenate(parts)[: len(images)]

    def _evaluate(self, function: Any, images: Floats, signal: Floats) -> NDArray[np.float32]:
        batch = [tf.constant(self.batches.fill(rows), tf.float32) for rows in (images, signal)]
        self.batches.count(len(batch[0]))
        handed: NDArray[np.float32] = function(*batch).numpy()
        return handed

    def _compute(self, images: Any, own: Any, forward: ForwardPass) -> Any:
        tensor = _lowest(Traced(images, None, forward))
        start = tf.cast(tf.ensure_shape(own, [None, self._classes]), forward.scores.dtype)
        handed = derivative(forward.scores, tensor, "the lowest layer", start=start)
        rows = handed[: tf.shape(images)[0]]  # a rule may have appended some
        return _spread(_as_grid(rows))


def _lowest(traced: Traced) -> Any:
    geometry = Geometry(traced.path)
    for tensor in (traced.images, *traced.path.bottlenecks):
        apart = image_rows(geometry.axes(tensor)) == ImageRows(0)
        if apart and tensor.shape.rank > 1 and (tensor.shape[-1] or 0) >= LEAST_CHANNELS:
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
