"""What explainers that mask images see, worked out mask by mask."""

from __future__ import annotations

import numpy as np

from saliency_bench import network
from saliency_bench.randomize import image_keys


def masks_of(explainer, image):
    """All masks of an image `[M, H, W]`."""
    probe = explainer.probe(image, int(image_keys(image[None])[0]))
    return probe.masks(0, probe.count)


def scores_of(model, image, target, masks, fill=0.0):
    """The logits of masked images, each made by hand."""
    blends = np.stack([image * mask[..., None] + fill * (1 - mask[..., None]) for mask in masks])
    targets = np.full(len(masks), target)
    return network.target_score(model)(blends.astype(np.float32), targets).astype(np.float64)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
