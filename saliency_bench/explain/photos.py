"""Picture files as the input of a model: resized, with its channels, nothing guessed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.content import as_value_error, require_file
from saliency_bench.datasets.image_folder import FORMATS

if TYPE_CHECKING:
    from PIL.Image import Image

GREY, COLOUR = 1, 3
"""Channels that a picture file can give."""

_ALIKE = 2  # of 255: what a JPEG of a grey picture may leave between its channels

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Photo:
    """A picture file, decoded and upright.

    Attributes:
        name: of the file.
        image: its pixels, as RGB, as 8-bit grey, or as grey floats in [0, 255].
    """

    name: str
    image: Image

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.image.height, self.image.width

    @property
    def channels(self) -> int:
        """1 if it is grey, else 3; a picture whose three channels are alike is grey."""
        if self.image.mode != "RGB":
            return GREY
        pixels = np.asarray(self.image, np.int16)
        return COLOUR if np.ptp(pixels, axis=-1).max() > _ALIKE else GREY

    def pixels(self, shape: tuple[int, int, int]) -> NDArray[np.float32]:
        """`[H, W, C]` in [0, 1]: the short side resized, the centre cut out, as in `ImageFolder`.

        Raises:
            ValueError: if it has colours and C is 1.
        """
        from PIL import Image, ImageOps

        height, width, channels = shape
        if channels < self.channels:
            raise ValueError(
                f"{self.name} must be grey, as the model takes one channel; it has colours"
            )
        placed = self.image
        if placed.mode == "RGB" and channels == GREY:
            placed = placed.convert("L")
        fitted = ImageOps.fit(placed, (width, height), Image.Resampling.BICUBIC)
        values = np.divide(np.asarray(fitted), 255, dtype=np.float32).clip(0, 1)
        spread = values if values.ndim == 3 else values[..., None]
        return np.repeat(spread, channels // spread.shape[-1], axis=-1)

    def told(self, height: int, width: int) -> str:
        """What `pixels` does with it, in words."""
        own = self.size
        if own == (height, width):
            return f"{own[0]}x{own[1]} as it is"
        cut = "" if own[0] * width == own[1] * height else ", its centre"
        return f"{own[0]}x{own[1]}{cut}, resized to {height}x{width}"


def opened(path: str) -> Photo:
    """A JPEG or PNG file, turned as its camera says.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or parts of it are transparent.
    """
    from PIL import Image, ImageOps

    file = require_file(path)
    # Of a picture half as large as one that is refused Pillow warns.
    with (
        as_value_error(f"{path} must be a JPEG or PNG file"),
        warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
        Image.open(file, formats=FORMATS) as image,
    ):
        upright = ImageOps.exif_transpose(image)
        plain = _without_alpha(upright)
    if plain is None:
        raise ValueError(f"{path} must have no transparent parts: lay it on a background first")
    return Photo(Path(path).name, plain)


def _without_alpha(image: Image) -> Image | None:
    """As RGB or grey; None if what lies behind it would be seen."""
    if image.mode.startswith("I"):  # 16 bits a pixel, of which Pillow's own conversion keeps 8
        return _floats(image)
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        whole = image.convert("RGBA")
        if whole.getextrema()[-1] != (255, 255):
            return None
        return whole.convert("L" if image.mode == "LA" else "RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _floats(image: Image) -> Image:
    from PIL import Image as pillow

    values = np.asarray(image, np.float32) * (255 / 65535)
    return pillow.fromarray(values)


def input_shape(
    photos: Sequence[Photo], model: Shape | None, size: Sequence[int] | None
) -> tuple[int, int, int]:
    """Height, width and channels at which all photos enter a model.

    Args:
        photos: one or more.
        model: what the model takes, None where it takes any; None if it does not say.
        size: height and width asked for, or one number for both.

    Raises:
        ValueError: if the model takes another size or no pictures, or it is open which size.
    """
    height, width, channels = model or (None, None, None)
    asked = None if size is None else (size[0], size[-1])
    fixed = [given for given in (height, width) if given is not None]
    if asked is not None and any(
        known not in (None, wanted) for known, wanted in zip((height, width), asked, strict=True)
    ):
        raise ValueError(
            f"--size must be the model's own, {height} {width}; got {asked[0]} {asked[1]}"
        )
    sizes = {photo.size for photo in photos}
    if asked is None and len(fixed) < 2 and len(sizes) > 1:
        raise ValueError("--size must be given: the model takes any, and the images have several")
    usual = asked or photos[0].size
    most = max(photo.channels for photo in photos)
    if channels not in (None, GREY, COLOUR):
        raise ValueError(f"the model must take 1 or 3 channels, as pictures have; got {channels}")
    return height or usual[0], width or usual[1], channels or most
