"""Images that are changed inside masks until their logits are given ones."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batches import Batches, CompiledFunction
from saliency_bench.network.forward import ForwardPass
from saliency_bench.network.gradients import derivative
from saliency_bench.network.kept import once
from saliency_bench.protocols import Floats


class Bounds(NamedTuple):
    """The least and the largest value of a pixel, model units: each broadcasts to `[H, W, C]`."""

    low: Floats
    high: Floats


def reaching(model: Any, *, steps: int) -> Reaching:
    """What changes images inside masks until their logits are given ones; compiled once.

    Args:
        model: any built Keras model.
        steps: most steps for an image.
    """
    return once(model, ("reaching", steps, Batches()), partial(Reaching, steps=steps))


class Reaching(CompiledFunction):
    """Descends `||f(x) - logits||` by `x` inside a mask, with Polyak's step, which has no setting.

    With r the difference and J its derivative inside the mask, a step is `||r||^2 / ||J'r||^2 J'r`
    (Polyak, 1969). On a linear network no step leads away from any image that has the logits, and
    what the network does not see of an image stays as it is. Pixels are clipped to their bounds.

    Args:
        model: any built Keras model.
        steps: most steps for an image.

    Raises:
        NotApplicable: if the logits do not depend on the images by differentiable steps.
    """

    row: ClassVar[Any] = tf.TensorSpec([None, None], tf.float32)

    def __init__(self, model: Any, *, steps: int) -> None:
        self._steps = steps
        super().__init__(model)

    def __call__(
        self,
        images: Floats,
        logits: Floats,
        masks: NDArray[np.bool_],
        bounds: Bounds,
        *,
        close: Floats,
    ) -> NDArray[np.float32]:
        """The images `[N, H, W, C]` after their last step, whether or not that reached the logits.

        Args:
            images: `[N, H, W, C]`, model units, where the descent begins.
            logits: `[N, K]` that are to be reached.
            masks: `[N, H, W]`, True for pixels that may change.
            bounds: of the pixels.
            close: `[N]` distance of the logits at which the descent of an image ends.
        """
        parts = []
        for first in range(0, len(images), self.batch):
            part = slice(first, first + self.batch)
            rows = images[part], logits[part], masks[part, ..., np.newaxis], close[part]
            batch = [self.batches.fill(np.asarray(values)) for values in rows]
            parts.append(self._descended(*batch, bounds=bounds))
        return np.concatenate(parts)[: len(images)]

    def _descended(
        self,
        images: Floats,
        logits: Floats,
        masks: NDArray[np.bool_],
        close: Floats,
        *,
        bounds: Bounds,
    ) -> NDArray[np.float32]:
        function, wanted = self._function(images.shape[1:]), tf.constant(logits, tf.float32)
        found = np.asarray(images, np.float32)
        for _ in range(self._steps):
            self.batches.count(len(found))
            rows = function(tf.constant(found), wanted).numpy()
            squares, slopes = rows[:, 0], rows[:, 1:].reshape(found.shape) * masks
            steep = np.square(slopes, dtype=np.float64).sum(axis=(1, 2, 3))
            moves = (squares > np.square(close)) & (steep > 0)
            if not moves.any():
                break
            size = np.divide(squares, steep, out=np.zeros_like(steep), where=moves)
            stepped = found - np.asarray(size[:, None, None, None] * slopes, np.float32)
            found = np.where(moves[:, None, None, None] & masks, np.clip(stepped, *bounds), found)
        return found

    def _compute(self, images: Any, own: Any, forward: ForwardPass) -> Any:
        scores = tf.cast(forward.scores, tf.float32)
        squares = tf.reduce_sum(tf.square(scores - own), axis=1)
        slopes = derivative(squares / 2, images)
        flat = tf.reshape(tf.cast(slopes, tf.float32), [tf.shape(images)[0], -1])
        return tf.concat([squares[:, tf.newaxis], flat], axis=1)
