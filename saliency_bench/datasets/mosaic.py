"""Pictures of several images, in which only some belong to the explained class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.base import Source
from saliency_bench.datasets.content import digest
from saliency_bench.protocols import Dataset, Ints, Made, Rows


@dataclass(frozen=True)
class Mosaic:
    """Grids of n x n images of another data set, whose masks are the cells of the explained class.

    Each image to explain is shown once, at a random place among others. These are of distinct
    classes (grid pointing game: Boehle et al., 2021; Rao et al., 2022). With `focus`, one of the
    other three is of the same class, and the mask covers both (Arias-Duart et al., 2022).

    The network learns single images, and is applied to the larger pictures: it must end in a global
    pooling (`network.resized`). The authors take only images that the network alone puts into their
    class with a probability above .99. A data set does not know the network: choose such images
    beforehand.

    Attributes:
        base: the data set; it must have labels.
        cells: n, the number of images along each side.
        focus: whether two of 2x2 images are of the explained class.
        seed: of the places and of the other images.
    """

    base: Source
    cells: int = 2
    focus: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.cells < 2:
            raise ValueError(f"cells must be at least 2, got {self.cells}")
        if self.focus and self.cells != 2:
            raise ValueError(f"cells must be 2 with focus, got {self.cells}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        if not isinstance(self.base, Source):
            raise ValueError(f"base must be a data set; got {self.base!r}")

    def load(self, *, train: bool = True) -> Dataset:
        """Load the data set, with its images to train on; pictures are made when they are indexed.

        Raises:
            ValueError: if it cannot be loaded, or has too few classes or images.
        """
        base = self.base.load(train=train)
        if base.labels is None:
            raise ValueError(f"a mosaic needs labelled images; {base.name} has no labels")
        self._require(base.name, base.labels)
        draw = _Draw(base.labels, self.cells, self.focus, self.seed)
        count, (height, width, channels) = len(base.pixels), base.pixels.shape[1:]
        shape = (count, self.cells * height, self.cells * width)

        def pictures(rows: Ints) -> NDArray[np.float32]:
            return _tiled(np.stack([base.pixels[draw(int(row))[0]] for row in rows]), self.cells)

        def masks(rows: Ints) -> NDArray[np.bool_]:
            inside = np.stack([draw(int(row))[1] for row in rows])
            single = np.broadcast_to(
                inside[..., None, None, None], (*inside.shape, height, width, 1)
            )
            return _tiled(single, self.cells)[..., 0]

        return Dataset(
            name=f"mosaics of {base.name}",
            pixels=Rows(Made((*shape, channels), pictures), np.asarray),
            labels=base.labels,
            classes=base.classes,
            preprocessing=base.preprocessing,
            masks=Rows(Made(shape, masks), np.asarray),
            single=base,
        )

    def fingerprint(self) -> str:
        """Hash of the settings and of the data set."""
        settings = {"cells": self.cells, "focus": self.focus, "seed": self.seed}
        return digest({"dataset": "mosaic", "base": self.base.fingerprint(), **settings})

    def _require(self, name: str, labels: NDArray[np.int64]) -> None:
        sizes = np.unique(labels, return_counts=True)[1]
        if self.focus:
            if sizes.min() < 2 or len(labels) - sizes.max() < 2:
                raise ValueError(
                    f"focus needs two images of each class and two of others; {name} has "
                    f"{len(labels)} images of {len(sizes)} classes, {sizes.min()} of the rarest"
                )
        elif len(sizes) < self.cells**2:
            raise ValueError(
                f"cells={self.cells} needs images of {self.cells**2} classes; {name} has "
                f"{len(sizes)}"
            )


class _Draw:
    """Which images are in the picture of a row, in the order of the cells, and which count."""

    def __init__(self, labels: NDArray[np.int64], cells: int, focus: bool, seed: int) -> None:
        self._labels, self._focus, self._seed = labels, focus, seed
        self._count = cells**2
        self._of_class = {int(c): np.flatnonzero(labels == c) for c in np.unique(labels)}

    def __call__(self, row: int) -> tuple[Ints, NDArray[np.bool_]]:
        random = np.random.default_rng([self._seed, row])
        others = self._pair(row, random) if self._focus else self._distinct(row, random)
        order = random.permutation(self._count)
        return np.array([row, *others])[order], order < (2 if self._focus else 1)

    def _distinct(self, row: int, random: np.random.Generator) -> list[int]:
        """An image of each of some other classes."""
        classes = [c for c in self._of_class if c != self._labels[row]]
        chosen = random.choice(classes, self._count - 1, replace=False)
        return [int(random.choice(self._of_class[int(c)])) for c in chosen]

    def _pair(self, row: int, random: np.random.Generator) -> list[int]:
        """One more image of the class, and two of others."""
        same = self._of_class[int(self._labels[row])]
        twin = random.choice(same[same != row])
        others = random.choice(np.flatnonzero(self._labels != self._labels[row]), 2, replace=False)
        return [int(twin), *map(int, others)]


def _tiled(images: NDArray[Any], cells: int) -> NDArray[Any]:
    """Images `[N, n * n, H, W, C]`, row by row, as pictures `[N, n * H, n * W, C]`."""
    count, _, height, width, channels = images.shape
    grid = images.reshape(count, cells, cells, height, width, channels).swapaxes(2, 3)
    return grid.reshape(count, cells * height, cells * width, channels)
