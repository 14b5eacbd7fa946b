"""From one raw map `[h, w, C']` to a plane: a number per pixel of its image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats

Plane = NDArray[np.float64]


def plane(one: Floats, *, absolute: bool, size: tuple[int, ...] | None = None) -> Plane:
    """A map's sum over channels, in float64; NaN everywhere if it holds NaN or infinity.

    Args:
        one: a map `[h, w, C']`.
        absolute: whether the absolute value is taken before the sum.
        size: height and width of its image, to which a smaller map is enlarged; None: it stays.

    Raises:
        ValueError: if the map is larger than its image.
    """
    values = one.astype(np.float64)
    total = (np.abs(values) if absolute else values).sum(axis=-1)
    if not np.isfinite(total).all():
        return np.full(total.shape if size is None else size, np.nan)
    return total if size is None else enlarged(total, size)


def enlarged(values: Plane, size: tuple[int, ...]) -> Plane:
    """A plane `[h, w]` at a larger size, linear between the centres of its pixels.

    Beyond the outermost centres it is constant, as in TensorFlow's bilinear `tf.image.resize`.

    Raises:
        ValueError: if it is larger than `size`.
    """
    if values.shape == size:
        return values
    if any(own > new for own, new in zip(values.shape, size, strict=True)):
        raise ValueError(
            f"maps must be no larger than their images; got {values.shape} for {tuple(size)}"
        )
    rows, columns = map(_between, values.shape, size)
    return np.asarray(rows @ values @ columns.T)


def _between(old: int, new: int) -> NDArray[np.float64]:
    """`[new, old]` weights of the old pixels in each new one."""
    places = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, np.newaxis] - np.arange(old))))
