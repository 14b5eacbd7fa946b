"""Where a grid of positions lies in the picture, and maps of it in the picture's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.geometry.receptive_fields import Line


@dataclass(frozen=True)
class Placement:
    """A grid of positions in the picture.

    Where receptive fields span the picture to within one stride, maps are stretched over it, as the
    authors of class activation maps do. A grid that saw only a part of the picture, or a padding
    around it, lies where its receptive fields lie: outside of them a map is 0.

    Attributes:
        rows: the rows of the grid.
        columns: its columns.
        size: `(H, W)` of the picture.
    """

    rows: Line
    columns: Line
    size: tuple[int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """`(h, w)` of the grid."""
        return self.rows.size, self.columns.size

    @property
    def is_stretched(self) -> bool:
        """Whether maps are stretched over the picture."""
        return _spans(self.rows, self.size[0]) and _spans(self.columns, self.size[1])

    @property
    def seen(self) -> str:
        """The part of the picture that the grid sees, in words."""
        rows, columns = self.rows.seen(), self.columns.seen()
        return (
            f"rows {rows.low:g} to {rows.high:g} and columns {columns.low:g} to {columns.high:g} "
            f"of {self.size[0]}x{self.size[1]}"
        )

    def resize(self, maps: Any, how: str | None) -> Any:
        """Maps in the size of the picture, inside a graph or outside.

        Args:
            maps: `[N, h, w, C]`.
            how: the interpolation, as `tf.image.resize` calls it; None: the maps as they are.

        Returns:
            `[N, H, W, C]`.
        """
        if how is None:
            return maps
        if self.is_stretched:
            return tf.image.resize(maps, self.size, how)
        axes = zip((self.rows, self.columns), self.size, strict=True)
        rows, columns = (tf.constant(_weights(*axis, how), maps.dtype) for axis in axes)
        return tf.einsum("Hh,nhwc,Ww->nHWc", rows, maps, columns)


def _spans(line: Line, size: int) -> bool:
    """Whether receptive fields reach both borders, and the positions themselves nearly do."""
    seen = line.seen()
    first = line.centre - line.stride / 2
    last = first + line.stride * line.size
    if max(line.cut) > line.stride:
        return False
    reaches = seen.low <= line.stride and seen.high >= size - line.stride
    return reaches and first >= -line.stride and last <= size + line.stride


def _weights(line: Line, size: int, how: str) -> NDArray[np.float64]:
    """`[size, positions]` share of each position in each pixel; 0 where nothing was seen."""
    pixels = np.arange(size) + 0.5
    if _spans(line, size):
        places = np.asarray(pixels * line.size / size - 0.5, np.float64)
        inside = np.ones(size, bool)
    else:
        places = np.asarray((pixels - line.centre) / line.stride, np.float64)
        seen = line.seen()
        inside = (pixels > seen.low) & (pixels < seen.high)
    distances = np.clip(places, -0.5, line.size - 0.5)[:, None] - np.arange(line.size)
    shares = _KERNELS[how](distances)
    return np.asarray(inside[:, None] * shares / shares.sum(axis=1, keepdims=True))


def _nearest(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    closest = np.abs(distances).argmin(axis=1)
    return np.asarray(np.eye(distances.shape[1])[closest])


def _bilinear(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(1 - np.abs(distances), 0))


def _bicubic(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys (1981), with a = -1/2."""
    x = np.abs(distances)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.asarray(np.where(x <= 1, near, np.where(x < 2, far, 0)))


_KERNELS = {"nearest": _nearest, "bilinear": _bilinear, "bicubic": _bicubic}
