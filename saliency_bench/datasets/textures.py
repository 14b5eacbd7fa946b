"""Crops of photographs that come with scikit-image: scenes without a download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.arrays import as_pixels
from saliency_bench.datasets.content import as_value_error, digest
from saliency_bench.protocols import Dataset

CLASSES = (
    "brick", "cat", "cell", "coins", "grass", "gravel", "hubble_deep_field",
    "immunohistochemistry", "page", "text",
)  # fmt: skip
"""The photographs, by the names of their functions in `skimage.data`."""

WINDOW = 1 / 4
"""Side of a crop, as a share of the photograph's shorter side."""

LEARNED = 0.6
"""Share of a photograph's width from which images to train on are cut; the rest is for testing."""


@dataclass(frozen=True)
class Textures:
    """Crops of ten photographs, in colour; the class is the photograph.

    Images to explain and images to train on come from different parts of each photograph.

    Attributes:
        side: of an image, in pixels.
        train: images to train on from each photograph.
        test: images to explain from each photograph.
    """

    side: int = 32
    train: int = 100
    test: int = 30

    def __post_init__(self) -> None:
        for name in ("side", "train", "test"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def load(self, *, train: bool = True) -> Dataset:
        """Load the images; with `train`, also those to train on.

        Raises:
            ValueError: if this version of scikit-image does not hold a photograph.
        """
        random = np.random.default_rng(0)
        photographs = [_photograph(name) for name in CLASSES]
        learned, tested = (
            [self._crops(photo, count, part, random) for photo in photographs]
            for count, part in ((self.train, (0.0, LEARNED)), (self.test, (LEARNED, 1.0)))
        )
        order = random.permutation(len(CLASSES) * self.test)
        labels = np.arange(len(CLASSES))
        return Dataset(
            name="textures",
            pixels=np.concatenate(tested)[order],
            labels=np.repeat(labels, self.test)[order],
            train_pixels=np.concatenate(learned) if train else None,
            train_labels=np.repeat(labels, self.train) if train else None,
            classes=tuple(name.replace("_", " ") for name in CLASSES),
        )

    def fingerprint(self) -> str:
        """Hash of what decides the images."""
        settings = {"side": self.side, "train": self.train, "test": self.test}
        return digest({"dataset": "textures", "classes": CLASSES, **settings})

    def _crops(
        self,
        photo: NDArray[np.float32],
        count: int,
        part: tuple[float, float],
        random: np.random.Generator,
    ) -> NDArray[np.float32]:
        """`[count, side, side, 3]` from a part of the photograph's width."""
        from skimage.transform import resize

        height, width = photo.shape[:2]
        window = int(WINDOW * min(height, width))
        first, last = (round(share * width) for share in part)
        tops = random.integers(height - window + 1, size=count)
        lefts = random.integers(first, last - window + 1, size=count)
        crops = (
            photo[top : top + window, left : left + window]
            for top, left in zip(tops, lefts, strict=True)
        )
        shape = (self.side, self.side)
        return np.stack([resize(crop, shape, anti_aliasing=True) for crop in crops]).clip(0, 1)


def _photograph(name: str) -> NDArray[np.float32]:
    """`[H, W, 3]` in [0, 1]."""
    from skimage import data

    with as_value_error(f"scikit-image must hold its photograph {name}"):
        photo = np.asarray(getattr(data, name)())
    pixels = as_pixels(photo[np.newaxis], name=name)[0]
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels[..., :3]
