"""Maps whose result is known beforehand, beside the library's own controls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from saliency_bench.protocols import Floats, Ints
from saliency_bench.randomize import stream

WIDTH = 1 / 14
"""Standard deviation of the blobs, as a share of the picture's short side."""


def smooth_noise(shape: tuple[int, ...], keys: Ints) -> NDArray[np.float32]:
    """Blobs at random places, alike everywhere in the picture: they have no centre.

    Most methods' maps have parts, as these do, while the noise of `random_fresh` has none.

    Args:
        shape: `(H, W)` of the images.
        keys: `[N]` int, of the images.

    Returns:
        `[N, H, W, 1]`.
    """
    width = WIDTH * min(shape)
    maps = [
        ndimage.gaussian_filter(stream("smooth noise", key).normal(size=shape), width, mode="wrap")
        for key in keys
    ]
    return np.asarray(maps, np.float32)[..., None]


def disturbed(images: Floats, keys: Ints, radius: float) -> NDArray[np.float32]:
    """Images with noise, uniform in [-r, r], with r a share of each image's range.

    Args:
        images: `[N, H, W, C]`.
        keys: `[N]` int, of the images.
        radius: that share.
    """
    rows = np.asarray(images, np.float32)
    noise = [
        radius * np.ptp(image) * stream("minor disturbance", key).uniform(-1, 1, image.shape)
        for image, key in zip(rows, keys, strict=True)
    ]
    return rows + np.asarray(noise, np.float32)
