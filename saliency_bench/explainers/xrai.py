"""Regions of the image in the order of the attribution they gather."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from saliency_bench.explainers.base import USUAL, Wrapped
from saliency_bench.protocols import Bound, Floats, Ints
from saliency_bench.randomize import image_keys

SIDE = 224
"""Side in pixels of the images that the paper's sizes are meant for; here they are shares."""

SMOOTHING = 0.8
"""Standard deviation in pixels of the blur before an image is cut up."""

MIN_SEGMENT, MIN_GAIN, DILATION = 150, 50, 5
"""Pixels of the smallest segment, of the least a segment must add, and of its margin."""

HELD = 2**21
"""About how many pixels the images have whose segments are kept; about 50 bytes each."""


@dataclass(frozen=True)
class XRAI(Wrapped):
    """Mean attribution of each region, best region first (Kapishnikov et al., 2019).

    The image is cut into segments at several scales (Felzenszwalb & Huttenlocher, 2004), each
    widened by a margin. The segment with the highest mean of the base's map, channels summed, is
    taken first; then the one with the highest mean over what is not yet covered, and so on. A
    pixel has the mean of the part it was covered with, so the map is constant on each part, has
    one channel, and sums to what the base's map sums to. The paper ranks the regions by gain and
    says that the order is what counts; where segments overlap, a later part can have the higher
    mean.

    Attributes:
        base: the explainer whose maps are added up; in the paper integrated gradients, averaged
            over a black and a white baseline.
        scales: of the segmentation, of an image in [-1, 1]; larger ones make larger segments.
        margin: pixels by which segments are widened; default 5 on a side of 224.
    """

    promises: ClassVar[frozenset[str]] = USUAL

    scales: tuple[float, ...] = (50, 100, 150, 250, 500, 1200)
    margin: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(self.scales))
        if not self.scales or min(self.scales) <= 0:
            raise ValueError(f"scales must be numbers above 0, at least one; got {self.scales}")
        if self.margin is not None and self.margin < 0:
            raise ValueError(f"margin must be at least 0; got {self.margin}")

    def bind(self, model: Any) -> Bound:
        """Compile the base for `model`."""
        explain = self.base.bind(model)
        segments_of = _Kept(self.scales, self.margin)

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = explain(images, targets, keys=keys)
            if maps.shape[1:3] != images.shape[1:3]:
                raise ValueError(
                    f"base must have maps of the images' size {images.shape[1:3]}; "
                    f"got {maps.shape[1:3]}"
                )
            found = np.empty((*images.shape[:3], 1), np.float32)
            for index, key in enumerate(image_keys(images)):
                members = segments_of(images[index], int(key))
                gains = maps[index].sum(axis=-1, dtype=np.float64)
                found[index, ..., 0] = covered(gains, members)
            return found

        return bound


def covered(gains: NDArray[np.float64], members: Any) -> NDArray[np.float64]:
    """A map `[H, W]` averaged over the parts that segments cover, best mean first.

    Args:
        gains: `[H, W]`.
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
    """The segments `[H * W, K]` that each pixel is in, filled up with one that does not exist."""
    by_pixel = members.T.tocsr()
    counts = np.diff(by_pixel.indptr)
    owners = np.full((len(counts), counts.max()), members.shape[0], np.int64)
    owners[np.arange(counts.max()) < counts[:, None]] = by_pixel.indices
    return owners


def segments(image: Floats, scales: tuple[float, ...], margin: int | None = None) -> Any:
    """Which pixels of an image `[H, W, C]` are in which segment: sparse `[S, H * W]` of 1."""
    height, width = image.shape[:2]
    if margin is None:
        margin = round(DILATION * min(height, width) / SIDE)
    pixels = [own for labels in _cut(image, scales) for own in _pixels(labels.astype(int), margin)]
    bounds = np.cumsum([0, *map(len, pixels)])
    ones = np.ones(bounds[-1], np.int32)
    return sparse.csr_array((ones, np.concatenate(pixels), bounds), (len(pixels), height * width))


def _cut(image: Floats, scales: tuple[float, ...]) -> list[Ints]:
    """The segment number of each pixel `[H, W]` at each scale, whatever the image's units."""
    from skimage.segmentation import felzenszwalb

    low, high = float(image.min()), float(image.max())
    plain = (image.astype(np.float64) - low) / ((high - low) or 1) * 2 - 1
    least = max(1, round(MIN_SEGMENT * image.shape[0] * image.shape[1] / SIDE**2))
    with warnings.catch_warnings():
        # It asks whether more than three channels are meant.
        warnings.simplefilter("ignore", RuntimeWarning)
        return [
            felzenszwalb(plain, scale=scale, sigma=SMOOTHING, min_size=least, channel_axis=-1)
            for scale in scales
        ]


def _pixels(labels: Ints, margin: int) -> Iterator[Ints]:
    """The pixels of every segment and of those within its margin, by their place in the image."""
    for label, box in enumerate(ndimage.find_objects(labels + 1)):
        rows, columns = (slice(max(0, s.start - margin), s.stop + margin) for s in box)
        outside = labels[rows, columns] != label
        near = ndimage.distance_transform_edt(outside) <= margin if margin else ~outside
        down, across = np.nonzero(near)
        places = (down + rows.start) * labels.shape[1] + across + columns.start
        yield places.astype(np.int32)


class _Kept:
    """The segments of images, those of the latest ones kept: all networks explain the same."""

    def __init__(self, scales: tuple[float, ...], margin: int | None) -> None:
        self._settings = scales, margin
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def __call__(self, image: Floats, key: int) -> Any:
        """Of an image `[H, W, C]` and a hash of it."""
        if key not in self._kept:
            while len(self._kept) >= max(1, HELD // image[..., 0].size):
                self._kept.popitem(last=False)
            self._kept[key] = segments(image, *self._settings)
        self._kept.move_to_end(key)
        return self._kept[key]
