"""Scores of images without some of their pixels, made and evaluated a batch at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.metrics.base import Bound, Inputs
from saliency_bench.metrics.imputers import Hide
from saliency_bench.metrics.planes import enlarged, plane
from saliency_bench.protocols import Floats
from saliency_bench.protocols.metrics import Numbers


@dataclass(frozen=True)
class Copies:
    """Changed copies of one image, which are made when they are evaluated.

    Attributes:
        target: the explained class.
        count: number of copies.
        make: copies `start` to `stop - 1`: `[stop - start, H, W, C]`.
    """

    target: int
    count: int
    make: Callable[[int, int], Floats]


@dataclass(frozen=True)
class Scene:
    """One image and its map.

    Attributes:
        map: `[h, w, C']`.
        plane: `[H, W]`, the sum of the map's raw signed channels; a smaller map is enlarged.
        image: `[H, W, C]`.
        target: the explained class.
        key: seeds all that is random.
    """

    map: Floats
    plane: Floats
    image: NDArray[np.float32]
    target: int
    key: int


Finish = Callable[[NDArray[np.float64]], Mapping[str, Any]]
"""From the kernel's rows for the copies of an image to its numbers, by name."""


class Perturbing(Bound):
    """A metric for one model that needs nothing but the scores of changed copies of an image.

    Args:
        kernel: from images and targets to one row each.

    Attributes:
        shapes: of the numbers of one image, by name.
    """

    shapes: Mapping[str, tuple[int, ...]]

    def __init__(self, kernel: network.Kernel) -> None:
        self._kernel = kernel

    @abstractmethod
    def copies(self, scene: Scene) -> tuple[Copies, Finish]:
        """The copies of one image, and what follows from their scores."""

    def numbers(self, given: Inputs) -> Numbers:
        """The numbers of all images.

        NaN where a map is the same everywhere or not finite, and where no change of the image
        changes its score, as in a saturated softmax.
        """
        found = {
            name: np.full((len(given.maps), *shape), np.nan) for name, shape in self.shapes.items()
        }
        waiting: deque[tuple[int, Finish]] = deque()

        def evaluated() -> Iterator[Copies]:
            rows = zip(given.maps, given.images, given.targets, given.keys, strict=True)
            for i, (one, image, target, key) in enumerate(rows):
                summed = plane(one, absolute=False)
                # Before it is enlarged: after that, equal values may differ by rounding.
                if np.ptp(summed) > 0:
                    large = enlarged(summed, image.shape[:2])
                    scene = Scene(one, large, image, int(target), int(key))
                    copies, finish = self.copies(scene)
                    waiting.append((i, finish))
                    yield copies

        for rows in scores(self._kernel, evaluated()):
            i, finish = waiting.popleft()
            if not np.ptp(rows.reshape(len(rows), -1)[:, 0]) > 0:
                continue
            for name, value in finish(rows).items():
                found[name][i] = value
        return found


def scores(kernel: network.Kernel, images: Iterable[Copies]) -> Iterator[NDArray[np.float64]]:
    """The kernel's rows `[count, ...]` for the copies of each image, one image after the other.

    A batch holds copies of several images if need be; no more of them exist at a time.
    """
    rows: list[NDArray[np.float32]] = []
    for parts in _batches(images, kernel.batch):
        pixels = [copies.make(start, stop) for copies, start, stop in parts]
        sizes = [len(own) for own in pixels]
        targets = np.repeat([copies.target for copies, _, _ in parts], sizes)
        found = kernel(pixels[0] if len(pixels) == 1 else np.concatenate(pixels), targets)
        each = np.split(found, np.cumsum(sizes)[:-1])
        for (copies, _, stop), own in zip(parts, each, strict=True):
            rows.append(own)
            if stop == copies.count:
                yield np.concatenate(rows).astype(np.float64)
                rows = []


def _batches(images: Iterable[Copies], most: int) -> Iterator[list[tuple[Copies, int, int]]]:
    """Divide the copies of all images into batches."""
    parts: list[tuple[Copies, int, int]] = []
    room = most
    for copies in images:
        start = 0
        while start < copies.count:
            stop = min(start + room, copies.count)
            parts.append((copies, start, stop))
            room -= stop - start
            start = stop
            if room == 0:
                yield parts
                parts, room = [], most
    if parts:
        yield parts


@dataclass(frozen=True)
class Row:
    """Which pixels one copy hides.

    Attributes:
        order: number of the order in which pixels are hidden.
        count: how many of its places are hidden.
        draw: number of the imputation.
    """

    order: int
    count: int
    draw: int = 0


def hiding(
    target: int, hides: Sequence[Hide], ranks: Sequence[NDArray[np.int64]], rows: Sequence[Row]
) -> Copies:
    """Copies that hide the first places of an order of the pixels.

    Args:
        target: the explained class.
        hides: hide pixels of the image, one for each draw.
        ranks: one `[H, W]` for each order: the place of each pixel in it, from 0.
        rows: the copies.
    """
    table = np.array([(row.order, row.count, row.draw) for row in rows])
    places = np.stack(ranks)

    def make(start: int, stop: int) -> Floats:
        order, count, draw = table[start:stop].T
        # Copies of one draw follow one another.
        edges = [0, *(np.flatnonzero(np.diff(draw)) + 1), stop - start]
        made = []
        for a, b in pairwise(edges):
            hidden = places[order[a:b]] < count[a:b, None, None]
            made.append(hides[draw[a]](hidden))
        return made[0] if len(made) == 1 else np.concatenate(made)

    return Copies(target, len(rows), make)


def places_of(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each element in an order `[n]` of all."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places


def counts_of(shares: Floats, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The counts that come nearest to shares of `size` things.

    Returns:
        The counts, each once, and the index `[K]` of each share's count.
    """
    return np.unique(np.rint(shares * size).astype(np.int64), return_inverse=True)


def area(curve: Floats, shares: Floats) -> NDArray[np.float64]:
    """The mean height of a curve `[..., K]` over `shares` `[K]`, by the trapezoidal rule."""
    return np.asarray(np.trapezoid(curve, shares, axis=-1) / (shares[-1] - shares[0]))
