"""Superpixels: parts of an image of about equal size and like colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats


def superpixels(image: Floats, count: int) -> NDArray[np.int64]:
    """Labels `[H, W]` of about `count` superpixels, from 0, by SLIC (Achanta et al., 2012).

    They do not depend on the image's units: its values are scaled to [0, 1] first. If SLIC finds
    less than half as many, as in noise, the image is divided into tiles instead.
    """
    span = float(np.ptp(image))
    pixels = (image - image.min()) / span if span > 0 else np.zeros_like(image)
    count = min(count, pixels.shape[0] * pixels.shape[1])
    labels = _slic(pixels, count)
    if 2 * len(np.unique(labels)) < count:
        labels = _slic(np.zeros_like(pixels), count)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def _slic(pixels: Floats, count: int) -> NDArray[np.int64]:
    from skimage.segmentation import slic

    # Colours are compared in CIELAB, with values up to 100; other channels as they are.
    colour = pixels.shape[-1] == 3
    labels: NDArray[np.int64] = slic(
        pixels, n_segments=count, compactness=10.0 if colour else 0.1, convert2lab=colour,
        channel_axis=-1, start_label=0,
    )  # fmt: skip
    return labels
