"""Where the images of a batch lie in a tensor, also if windows or heads lie in the batch axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import tensorflow as tf

from saliency_bench.network.geometry.axes import Axes, Axis
from saliency_bench.network.geometry.tools import BATCH, has_images


@dataclass(frozen=True)
class ImageRows:
    """The images of a batch along one axis, `outer * images * inner` values long.

    Windows in the batch axis, `[N * W, T, D]`, lie within images: `inner` is W. Heads in front of
    the images, `[h * N, T, D]`, lie around them: `outer` is h.

    Attributes:
        axis: its index.
        outer: number of groups, each of all images.
        inner: number of values of one image within a group.
    """

    axis: int
    outer: int = 1
    inner: int = 1

    def last(self, tensor: Any) -> Any:
        """The values of the last image; they broadcast to the tensor."""
        if self.outer == self.inner == 1:
            return tensor[(slice(None),) * self.axis + (slice(-1, None),)]
        size = tf.shape(tensor)
        before, behind = size[: self.axis], size[self.axis + 1 :]
        groups = tf.reshape(
            tensor, tf.concat([before, [self.outer, -1, self.inner], behind], axis=0)
        )
        last = tf.gather(groups, [self.count(tensor) - 1], axis=self.axis + 1)
        return tf.reshape(tf.broadcast_to(last, tf.shape(groups)), size)

    def count(self, tensor: Any) -> Any:
        """The number of images."""
        return tf.shape(tensor)[self.axis] // (self.outer * self.inner)

    def holds(self, tensor: Any, images: Any) -> Any:
        """Whether the axis is as long as so many images make it."""
        return tf.equal(tf.shape(tensor)[self.axis], images * self.outer * self.inner)


def image_rows(axes: Axes | None) -> ImageRows | None:
    """Where the images lie in a tensor; None if the graph does not tell.

    Args:
        axes: of the tensor.
    """
    found = [rows for place, axis in enumerate(axes or ()) if (rows := _rows(place, axis))]
    return found[0] if len(found) == 1 or found[:1] == [ImageRows(0)] else None


def _rows(place: int, axis: Axis) -> ImageRows | None:
    sizes = [factor.size for factor in axis]
    if BATCH not in sizes or not has_images(axis):
        return None
    at = sizes.index(BATCH)
    return ImageRows(place, prod(sizes[:at]), prod(sizes[at + 1 :]))
