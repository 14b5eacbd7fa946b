"""A user's arrays from NumPy's .npz files."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets import archive
from saliency_bench.datasets.arrays import (
    as_labels,
    as_pixels,
    check_channels,
    check_classes,
    preprocessing,
    split_rows,
)
from saliency_bench.datasets.content import as_value_error, digest, require_file
from saliency_bench.protocols import Dataset
from saliency_bench.protocols.inputs import as_masks


@dataclass(frozen=True)
class Npz:
    """Images `x`, labels `y` and masks `masks` of an .npz file.

    `x` is `[N, H, W]` or `[N, H, W, C]`, uint8 or floats in [0, 1]; channels that come first, as in
    `[N, 3, 32, 32]`, are refused. `y` is `[N]`, whole numbers, and may be missing. So may `masks`,
    `[N, H, W]` of the images to explain: bools, or 0 outside of the object and 1 or 255 inside; an
    empty mask says that the object's place is not known.

    Attributes:
        path: the images to explain.
        train_path: the images to train on.
        mean: subtracted from pixels in [0, 1] before they enter the model; one number, or one per
            channel.
        std: pixels are divided by it afterwards; one number, or one per channel.
        train_limit: how many images to train on, the first ones; None: all.
        test_fraction: share to explain if `path` must also give the images to train on.
        classes: the names of the classes, in the order of the labels.
    """

    path: str
    train_path: str | None = None
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    train_limit: int | None = None
    test_fraction: float = 0.2
    classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        preprocessing(self.mean, self.std)
        if not 0 < self.test_fraction < 1:
            raise ValueError(f"test_fraction must lie between 0 and 1, got {self.test_fraction}")
        if self.train_limit is not None and self.train_limit < 1:
            raise ValueError(f"train_limit must be at least 1, got {self.train_limit}")

    def load(self, *, train: bool = True) -> Dataset:
        """Load the images; without `train`, all images of `path` are for explanation.

        Raises:
            ValueError: if a file does not hold such arrays.
            FileNotFoundError: if a file does not exist.
        """
        dataset = self._load_explained()
        if not train:
            return dataset
        if self.train_path is not None:
            return _cut(_with_training(dataset, self.train_path), self.train_limit)
        if dataset.labels is None:
            return dataset
        return _cut(_split(dataset, self.test_fraction), self.train_limit)

    def fingerprint(self) -> str:
        """Hash of the settings and of the files' content."""
        units = preprocessing(self.mean, self.std)
        settings = {
            "dataset": "npz",
            "mean": units.mean,
            "std": units.std,
            "train_limit": self.train_limit,
            "test_fraction": self.test_fraction,
            "classes": list(self.classes),
        }
        return digest(settings, [Path(p) for p in (self.path, self.train_path) if p is not None])

    def _load_explained(self) -> Dataset:
        pixels, labels = _read(self.path)
        units = preprocessing(self.mean, self.std)
        check_channels(units, pixels.shape[-1])
        check_classes(self.classes, labels)
        return Dataset(
            name=Path(self.path).stem,
            pixels=pixels,
            labels=labels,
            classes=tuple(str(name) for name in self.classes),
            preprocessing=units,
            masks=_masks(self.path, pixels.shape[:3]),
        )


def _with_training(dataset: Dataset, path: str) -> Dataset:
    pixels, labels = _read(path)
    if pixels.shape[1:] != dataset.pixels.shape[1:]:
        raise ValueError(
            f"images to train on must have the shape of those to explain, got "
            f"{pixels.shape[1:]} and {dataset.pixels.shape[1:]}"
        )
    check_classes(dataset.classes, labels)
    return replace(dataset, train_pixels=pixels, train_labels=labels)


def _split(dataset: Dataset, test_fraction: float) -> Dataset:
    n_images = len(dataset.pixels)
    n_test = round(test_fraction * n_images)
    if not 0 < n_test < n_images:
        raise ValueError(
            f"test_fraction must leave images on both sides, got {test_fraction} of {n_images}"
        )
    learn, test = split_rows(n_images, n_test)
    labels = np.asarray(dataset.labels)
    return replace(
        dataset,
        pixels=dataset.pixels[test],
        labels=labels[test],
        masks=None if dataset.masks is None else dataset.masks[test],
        train_pixels=dataset.pixels[learn],
        train_labels=labels[learn],
    )


def _cut(dataset: Dataset, limit: int | None) -> Dataset:
    pixels, labels = dataset.train_pixels, dataset.train_labels
    return replace(
        dataset,
        train_pixels=None if pixels is None else pixels[:limit],
        train_labels=None if labels is None else labels[:limit],
    )


def _read(path: str) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    names = _names(path)
    if "x" not in names:
        raise ValueError(f"{path} must hold an array x; got {names}")
    pixels = as_pixels(_array(path, "x"), name=f"x in {path}")
    if "y" not in names:
        return pixels, None
    return pixels, as_labels(_array(path, "y"), len(pixels), name=f"y in {path}")


def _masks(path: str, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Masks `[N, H, W]`, if the file has any."""
    if "masks" not in _names(path):
        return None
    return as_masks(_array(path, "masks"), shape, f"masks in {path}")


def _names(path: str) -> list[str]:
    file = require_file(path)
    if not zipfile.is_zipfile(file):
        raise ValueError(
            f"{path} is not a whole .npz file; write one with numpy.savez(path, x=x, y=y)"
        )
    with as_value_error(f"{path} must be an .npz file"), archive.open_checked(file) as stored:
        return archive.array_names(stored)


def _array(path: str, name: str) -> NDArray[Any]:
    file = Path(path)
    rule = f"{name} in {file} must be an array of numbers"
    with as_value_error(rule), archive.open_checked(file) as stored:
        return archive.read_array(stored, name)
