"""A user's photos from a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.arrays import check_channels, preprocessing
from saliency_bench.datasets.content import as_value_error, digest, require_file
from saliency_bench.datasets.decoded import DecodedImages
from saliency_bench.datasets.mask_pictures import Photos, mask_files, read_masks
from saliency_bench.datasets.pictures import COLOUR, GREY, SUFFIXES, open_picture
from saliency_bench.protocols import Dataset, Rows


@dataclass(frozen=True)
class ImageFolder:
    """JPEG, PNG and TIFF files: a sub-folder per class, or a flat folder without labels.

    They are read as `python -m saliency_bench.explain` reads them: turned as the camera says, the
    short side resized to `size`, then the centre cut out. The order is random and fixed, with the
    classes in turn: the first n images spread over the classes.

    Attributes:
        path: the folder of the images to explain.
        size: height and width in pixels.
        train_path: the folder of the images to train on.
        limit: how many images to explain; None: all.
        classes: a JSON file `{"0": ["sub-folder", "name"], ...}` such as Keras' class index of
            ImageNet; None: the sub-folders are the classes, in alphabetical order.
        mean: subtracted from pixels in [0, 1] before they enter the model; one number, or one per
            channel.
        std: pixels are divided by it afterwards; one number, or one per channel.
        channels: 3 for RGB; 1 for grey, as the model takes it: then no photo may have colours.
        masks: the folder of the masks of the images to explain; None: there are none. A mask is a
            PNG or TIFF file that lies in the same sub-folder and has the same name and size as its
            photo: black outside of the object, one other colour inside. An all-black one says that
            the object's place is not known.
    """

    path: str
    size: Sequence[int] = (224, 224)
    train_path: str | None = None
    limit: int | None = None
    classes: str | None = None
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    channels: int = COLOUR
    masks: str | None = None

    def __post_init__(self) -> None:
        if self.channels not in (GREY, COLOUR):
            raise ValueError(f"channels must be {GREY} or {COLOUR}, got {self.channels}")
        check_channels(preprocessing(self.mean, self.std), self.channels)
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"size must be a height and a width of at least 1, got {self.size}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, got {self.limit}")

    def load(self, *, train: bool = True) -> Dataset:
        """Load the images; with `train`, also those to train on.

        Photos and masks are decoded at their first use; a damaged one raises `ValueError` then.

        Raises:
            ValueError: if a folder has no images, a sub-folder is no class, or a photo has no mask.
            FileNotFoundError: if a folder or the file of classes does not exist.
        """
        photos = _photos(self.path, self.limit)
        learn = _photos(self.train_path) if train and self.train_path is not None else []
        folders, names = self._classes()
        return Dataset(
            name=Path(self.path).name,
            pixels=self._pixels(photos),
            labels=_labels(photos, folders),
            train_pixels=self._pixels(learn) if learn else None,
            train_labels=_labels(learn, folders) if learn else None,
            classes=names,
            preprocessing=preprocessing(self.mean, self.std),
            masks=self._masks(photos),
        )

    def fingerprint(self) -> str:
        """Hash of the settings and of the chosen photos' content."""
        photos = _photos(self.path, self.limit)
        learn = [] if self.train_path is None else _photos(self.train_path)
        units = preprocessing(self.mean, self.std)
        settings = {
            "dataset": "image_folder",
            "size": self.size,
            "channels": self.channels,
            "mean": units.mean,
            "std": units.std,
            "classes": self._classes(),
            "folders": [[name for name, _ in part] for part in (photos, learn)],
        }
        files = [path for _, path in photos + learn]
        if self.masks is None:
            return digest(settings, files)
        return digest({**settings, "masks": True}, [*files, *mask_files(photos, self.masks)])

    def _classes(self) -> tuple[list[str], tuple[str, ...]]:
        """Sub-folders and names of all classes."""
        if self.classes is not None:
            return _index(self.classes)
        folders = sorted(name for name in _by_class(self.path) if name)
        return folders, tuple(folders)

    def _masks(self, photos: Photos) -> Rows | None:
        if self.masks is None:
            return None
        size = (self.size[0], self.size[1])
        return read_masks([path for _, path in photos], mask_files(photos, self.masks), size)

    def _pixels(self, photos: Photos) -> Rows:
        shape = (self.size[0], self.size[1], self.channels)

        def decode(place: int) -> NDArray[Any]:
            return open_picture(photos[place][1]).fitted(shape)

        return Rows(DecodedImages((len(photos), *shape), decode), np.asarray)


def _photos(path: str, limit: int | None = None) -> Photos:
    """The first photo of every class, in a fixed random order, then the second ones, and so on."""
    by_class = _by_class(path)
    turns = np.random.default_rng(0).permutation(len(by_class))
    ranked = sorted(
        (rank, int(turn), name, file)
        for turn, (name, files) in zip(turns, by_class.items(), strict=True)
        for rank, file in enumerate(files)
    )
    return [(name, file) for _, _, name, file in ranked][:limit]


def _by_class(path: str) -> Mapping[str, list[Path]]:
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(f"no such folder: {path}")
    flat = _images_in(root)
    folders = [folder for folder in sorted(root.iterdir()) if folder.is_dir()]
    by_class = {folder.name: files for folder in folders if (files := _images_in(folder))}
    if bool(flat) == bool(by_class):
        raise ValueError(
            f"{path} must hold either {', '.join(SUFFIXES)} files or sub-folders of them, "
            f"got {len(flat)} such files and {len(by_class)} such sub-folders"
        )
    return by_class or {"": flat}


def _images_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def _labels(photos: Photos, folders: list[str]) -> NDArray[np.int64] | None:
    names = [name for name, _ in photos]
    if not any(names):
        return None
    number = {folder: index for index, folder in enumerate(folders)}
    if unknown := sorted(set(names) - set(number)):
        raise ValueError(
            f"every sub-folder must be one of the {len(number)} classes, got {unknown[0]}"
        )
    return np.array([number[name] for name in names], dtype=np.int64)


def _index(path: str) -> tuple[list[str], tuple[str, ...]]:
    file = require_file(path)
    with as_value_error(f'{path} must be JSON like {{"0": ["sub-folder", "name"], ...}}', repr):
        entries = json.loads(file.read_text(encoding="utf-8"))
        pairs = [entries[str(number)] for number in range(len(entries))]
        return [str(folder) for folder, _ in pairs], tuple(str(name) for _, name in pairs)
