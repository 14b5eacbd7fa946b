"""Masks of photos: pictures that are black where the object is not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.decoded import DecodedImages
from saliency_bench.datasets.pictures import GREY, Picture, open_picture
from saliency_bench.protocols import Rows

SUFFIXES = (".png", ".tif", ".tiff")
"""JPEG is none of them: it blurs the edge of a mask."""

Photos = list[tuple[str, Path]]
"""Sub-folder name and path of every photo; the name is empty in a flat folder."""

_INSIDE = 255


def mask_files(photos: Photos, folder: str) -> list[Path]:
    """The mask of every photo: in the same sub-folder, with the same name but for the suffix.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if a photo has no mask, or several.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}")
    pictures = cache(_pictures)
    return [_only(pictures(root / name).get(photo.stem, []), root, photo) for name, photo in photos]


def read_masks(photos: Sequence[Path], masks: Sequence[Path], size: tuple[int, int]) -> Rows:
    """Masks `[N, H, W]` bool, resized and cut as their photos; read when they are indexed.

    Args:
        photos: their files.
        masks: the files of the masks, in the same order.
        size: height and width.
    """

    def decode(place: int) -> NDArray[Any]:
        mask, photo = open_picture(masks[place]), open_picture(photos[place])
        if mask.size != photo.size:
            raise ValueError(
                f"{mask.path} must be as large as its photo, {photo.size}; got {mask.size}"
            )
        inside = Picture(mask.path, _inside(mask)).fitted((*size, GREY))
        return np.asarray(inside[..., 0] > _INSIDE // 2, np.uint8)

    return Rows(DecodedImages((len(masks), *size), decode), lambda rows: np.asarray(rows > 0))


def _pictures(folder: Path) -> dict[str, list[Path]]:
    """The pictures in a folder, by their name without the suffix."""
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.suffix.lower() in SUFFIXES:
            found.setdefault(file.stem, []).append(file)
    return found


def _only(files: list[Path], root: Path, photo: Path) -> Path:
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise ValueError(
            f"{root} must hold one {' or '.join(SUFFIXES)} file with the name of each photo; "
            f"got {names} for {photo}"
        )
    return files[0]


def _inside(mask: Picture) -> NDArray[np.uint8]:
    """`[H, W]`, 255 inside and 0 outside.

    Raises:
        ValueError: if the picture has several colours beside black.
    """
    samples = mask.samples if mask.samples.ndim == 3 else mask.samples[..., np.newaxis]
    inside = (samples != 0).any(axis=-1)
    colours = np.unique(samples[inside], axis=0)
    if len(colours) > 1:
        raise ValueError(
            f"{mask.path} must be black outside and one colour inside; got {len(colours)} colours "
            "beside black"
        )
    return np.where(inside, _INSIDE, 0).astype(np.uint8)
