"""Handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.arrays import split_rows
from saliency_bench.datasets.content import digest
from saliency_bench.protocols import Dataset

N_TEST = 360
SIDE = 28


@dataclass(frozen=True)
class Digits:
    """The 1797 digits of the UCI test set (Alpaydin and Kaynak, 1998), 28x28, grey, 10 classes.

    The 8x8 originals are enlarged bilinearly. 360 images, in a fixed random order, are for
    explanation; the other 1437 are for training.
    """

    def load(self, *, train: bool = True) -> Dataset:
        """Load the images; with `train`, also those to train on."""
        pixels, labels = _originals()
        learn, test = split_rows(len(labels), N_TEST)
        return Dataset(
            name="digits",
            pixels=_enlarge(pixels[test]),
            labels=labels[test],
            train_pixels=_enlarge(pixels[learn]) if train else None,
            train_labels=labels[learn] if train else None,
            classes=tuple("0123456789"),
        )

    def fingerprint(self) -> str:
        """Hash of what decides the images."""
        return digest({"dataset": "digits", "side": SIDE, "test": N_TEST})


def _originals() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return (images.reshape(-1, 8, 8) / 16).astype(np.float32), labels.astype(np.int64)


def _enlarge(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    from skimage.transform import resize

    shape = (len(pixels), SIDE, SIDE)
    larger: NDArray[np.float32] = resize(pixels, shape, order=1, mode="edge", anti_aliasing=False)
    return larger[..., np.newaxis]
