"""XRAI: regions of the image, ranked by their mean attribution."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from saliency_bench.explainers.base import USUAL, Wrapper
from saliency_bench.protocols import Bound, Floats, Ints
from saliency_bench.randomize import image_keys

SIDE = 224
"""Image side, in pixels, for which the paper gives its sizes; they are scaled to other sides."""

SMOOTHING = 0.8
"""Standard deviation of the blur before the segmentation, in pixels."""

MIN_SEGMENT, MIN_GAIN, DILATION = 150, 50, 5
"""In pixels: the smallest segment, the least that a segment must add, and its margin."""

CACHE_SIZE = 2**21
"""Pixels of all images whose segments are cached; each takes about 50 bytes."""


@dataclass(frozen=True)
class XRAI(Wrapper):
    """Mean attribution of each region, best region first (Kapishnikov et al., 2019).

    The image is divided into segments at several scales (Felzenszwalb & Huttenlocher, 2004), each
    widened by a margin. The segment with the highest mean of the base's map, summed over channels,
    comes first; then the one with the highest mean over its uncovered pixels, and so on. A pixel
    has the mean of the part with which it was covered. So the map has one channel, is constant on
    each part, and has the sum of the base's map. In the paper only the order of the regions counts;
    where segments overlap, a later part can have a higher mean.

    Attributes:
        base: the explainer of the pixels; in the paper integrated gradients, averaged over a black
            and a white baseline.
        scales: scales of the segmentation of an image in [-1, 1]; larger ones make larger segments.
        margin: pixels by which segments are widened; default: 5 for a side of 224, in proportion
            for others.
    """

    papers: ClassVar[tuple[str, ...]] = ("kapishnikov2019",)
    axioms: ClassVar[frozenset[str]] = USUAL - {"confinement"}

    scales: tuple[float, ...] = (50, 100, 150, 250, 500, 1200)
    margin: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(self.scales))
        if not self.scales or min(self.scales) <= 0:
            raise ValueError(f"scales must be numbers above 0, at least one; got {self.scales}")
        if self.margin is not None and self.margin < 0:
            raise ValueError(f"margin must be at least 0; got {self.margin}")

    def reach(self, height: int, width: int) -> float:
        """Infinite: a segment may lie partly beside what the network sees."""
        return math.inf

    def compile(self, model: Any) -> Bound:
        """Compile the base for `model`."""
        base = self.base.bind(model)
        segments_of = _SegmentCache(self.scales, self.margin)

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = base(images, targets, keys=keys)
            if maps.shape[1:3] != images.shape[1:3]:
                raise ValueError(
                    f"base must have maps of the images' size {images.shape[1:3]}; "
                    f"got {maps.shape[1:3]}"
                )
            result = np.empty((*images.shape[:3], 1), np.float32)
            for index, key in enumerate(image_keys(images)):
                members = segments_of(images[index], int(key))
                gains = maps[index].sum(axis=-1, dtype=np.float64)
                result[index, ..., 0] = cover(gains, members)
            return result

        return explain


def cover(gains: NDArray[np.float64], members: Any) -> NDArray[np.float64]:
    """Cover a map `[H, W]` with segments, best mean first, and average it over each part.

    Args:
        gains: `[H, W]` the map.
        members: sparse `[S, H * W]`, 1 where a segment has a pixel.
    """
    flat, free = gains.ravel(), np.ones(gains.size, bool)
    means = np.zeros(gains.size)
    least = max(1, round(MIN_GAIN * gains.size / SIDE**2))
    owners, sums, areas = _owners(members), members @ flat, members.sum(axis=1)
    while (areas >= least).any():
        best = np.argmax(np.where(areas >= least, sums / np.maximum(areas, 1), -np.inf))
        pixels = members.indices[members.indptr[best] : members.indptr[best + 1]]
        new = pixels[free[pixels]]
        means[new], free[new] = flat[new].mean(), False
        lost = owners[new]
        shares = np.broadcast_to(flat[new, None], lost.shape).ravel()
        sums -= np.bincount(lost.ravel(), shares, len(sums) + 1)[:-1]
        areas -= np.bincount(lost.ravel(), minlength=len(sums) + 1)[:-1]
    if free.any():
        means[free] = flat[free].mean()
    return means.reshape(gains.shape)


def _owners(members: Any) -> Ints:
    """The segments `[H * W, K]` of each pixel; missing ones have the number S, which is unused."""
    by_pixel = members.T.tocsr()
    counts = np.diff(by_pixel.indptr)
    owners = np.full((len(counts), counts.max()), members.shape[0], np.int64)
    owners[np.arange(counts.max()) < counts[:, None]] = by_pixel.indices
    return owners


def segments(image: Floats, scales: tuple[float, ...], margin: int | None = None) -> Any:
    """Segments of an image `[H, W, C]`: sparse `[S, H * W]`, 1 where a segment has a pixel.

    Args:
        image: `[H, W, C]` in any units.
        scales: as in `XRAI`.
        margin: as in `XRAI`.
    """
    height, width = image.shape[:2]
    if margin is None:
        margin = round(DILATION * min(height, width) / SIDE)
    pixels = [
        own for labels in _labels(image, scales) for own in _pixels(labels.astype(int), margin)
    ]
    bounds = np.cumsum([0, *map(len, pixels)])
    ones = np.ones(bounds[-1], np.int32)
    return sparse.csr_array((ones, np.concatenate(pixels), bounds), (len(pixels), height * width))


def _labels(image: Floats, scales: tuple[float, ...]) -> list[Ints]:
    """The segment of each pixel `[H, W]` at each scale; the image's units do not matter."""
    from skimage.segmentation import felzenszwalb

    low, high = float(image.min()), float(image.max())
    scaled = (image.astype(np.float64) - low) / ((high - low) or 1) * 2 - 1
    least = max(1, round(MIN_SEGMENT * image.shape[0] * image.shape[1] / SIDE**2))
    with warnings.catch_warnings():
        # It warns that more than three channels may be a mistake.
        warnings.simplefilter("ignore", RuntimeWarning)
        return [
            felzenszwalb(scaled, scale=scale, sigma=SMOOTHING, min_size=least, channel_axis=-1)
            for scale in scales
        ]


def _pixels(labels: Ints, margin: int) -> Iterator[Ints]:
    """Flat indices of the pixels of every segment, with its margin."""
    for label, box in enumerate(ndimage.find_objects(labels + 1)):
        rows, columns = (slice(max(0, s.start - margin), s.stop + margin) for s in box)
        outside = labels[rows, columns] != label
        near = ndimage.distance_transform_edt(outside) <= margin if margin else ~outside
        down, across = np.nonzero(near)
        places = (down + rows.start) * labels.shape[1] + across + columns.start
        yield places.astype(np.int32)


class _SegmentCache:
    """A cache of the latest images' segments, as all networks explain the same images."""

    def __init__(self, scales: tuple[float, ...], margin: int | None) -> None:
        self._settings = scales, margin
        self._cache: OrderedDict[int, Any] = OrderedDict()

    def __call__(self, image: Floats, key: int) -> Any:
        """The segments of an image `[H, W, C]` with the hash `key`."""
        if key not in self._cache:
            while len(self._cache) >= max(1, CACHE_SIZE // image[..., 0].size):
                self._cache.popitem(last=False)
            self._cache[key] = segments(image, *self._settings)
        self._cache.move_to_end(key)
        return self._cache[key]
