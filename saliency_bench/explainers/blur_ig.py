"""Integrated gradients along a path of blurred images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Compiled
from saliency_bench.protocols import Bound, Floats, Ints, Output

REACH = 4
"""Radius of a Gaussian kernel, in standard deviations."""

LEAST = 0.3
"""Standard deviation of the last blur, in pixels; it hardly changes an image."""


@dataclass(frozen=True)
class BlurIG(Compiled):
    """Integrated gradients along a path from a blurred image to the sharp one (Xu et al., 2020).

    The path joins images, blurred with falling standard deviations, by straight pieces. Each piece
    is multiplied by the gradient in its middle. The map sums to the difference of the output
    between the image and the blurred one, up to the error of this rule. The Gaussian kernels mirror
    the image at its border.

    Attributes:
        steps: gradients per image.
        max_sigma: standard deviation of the first blur, in pixels; the paper's 50 reduces a small
            image (28x28) to its mean.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("xu2020",)
    multiplies_input: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = USUAL | {"linearity", "completeness"}

    steps: int = 50
    max_sigma: float = 50.0
    output: Output = "logit"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        if not 0 < self.max_sigma < np.inf:
            raise ValueError(f"max_sigma must be above 0 and finite; got {self.max_sigma}")

    def sigmas(self) -> NDArray[np.float64]:
        """`[steps + 1]` standard deviations from `max_sigma` down to 0.

        They fall by equal factors. With equal differences, as in the paper, a photo would change
        more in the last step than in all others together.
        """
        least = min(LEAST, self.max_sigma)
        return np.append(np.geomspace(self.max_sigma, least, self.steps), 0.0)

    def reference(self, images: Floats) -> Floats:
        """The images with the strongest blur: where the path starts."""
        down, across = (blurs(self.sigmas()[:1], size)[0] for size in images.shape[1:3])
        blurred = np.einsum("vh,nhwc,uw->nvuc", down, images, across, optimize=True)
        return np.asarray(blurred, np.float32)

    def compile(self, model: Any) -> Bound:
        """Compile for `model`."""
        path = _Path(self.sigmas())
        gradients = network.Samples(
            network.input_gradient(model, self.output), path.middle, ranks=(0,)
        )

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = np.zeros(images.shape)
            for batch in network.pairs(len(images), self.steps, gradients.batch):
                maps[batch.images] += gradients.sums(images, targets, batch, batch.sample)
            return maps.astype(np.float32)

        return explain


class _Path:
    """Blurred images and the straight pieces between them, inside a graph being traced.

    Args:
        sigmas: standard deviations of the blurs in pixels, in the order of the path.
    """

    def __init__(self, sigmas: NDArray[np.float64]) -> None:
        self._sigmas = sigmas

    def middle(self, images: Any, pieces: Any) -> tuple[Any, Any]:
        """The middle of one piece of each image's path, and its end minus its start."""
        import tensorflow as tf

        first, transposed = tf.cast(pieces, tf.int32), _transpose(images)
        start, stop = self._blur(transposed, first), self._blur(transposed, first + 1)
        return (start + stop) / 2, stop - start

    def _blur(self, transposed: Any, places: Any) -> Any:
        """Blur transposed images `[P, W, H, C]`; the result is `[P, H, W, C]`."""
        return self._down(_transpose(self._down(transposed, places)), places)

    def _down(self, images: Any, places: Any) -> Any:
        """Blur images along their second axis."""
        import tensorflow as tf

        size, shape = images.shape[1], tf.shape(images)
        each = tf.gather(tf.constant(blurs(self._sigmas, size), tf.float32), places)
        return tf.reshape(each @ tf.reshape(images, [-1, size, shape[2] * shape[3]]), shape)


def _transpose(images: Any) -> Any:
    """Swap height and width of images `[P, H, W, C]`."""
    import tensorflow as tf

    return tf.transpose(images, [0, 2, 1, 3])


def blurs(sigmas: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Matrices `[S, size, size]` that blur a line of pixels, mirrored at both ends.

    A mirrored line is a sum of cosines, and a symmetric kernel only scales each of them.
    """
    waves = np.pi * np.arange(size) / size
    basis = np.cos(waves[:, None] * (np.arange(size) + 0.5))
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    scales = np.stack([_scales(sigma, waves) for sigma in sigmas])
    return np.asarray(basis.T @ (scales[:, :, None] * basis))


def _scales(sigma: float, waves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The factors by which a Gaussian kernel scales cosines of these angular frequencies."""
    radius = int(REACH * sigma + 0.5)
    places = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (places / sigma) ** 2) if radius else np.ones(1)
    return np.asarray(np.cos(waves[:, None] * places) @ (kernel / kernel.sum()))
