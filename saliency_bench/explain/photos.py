"""Picture files as input of a model: resized, with the model's channels."""

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

_ALIKE = 2  # of 255: largest difference between channels in a JPEG of a grey picture

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Photo:
    """A picture file, decoded and upright.

    Attributes:
        name: of the file.
        image: its pixels: RGB, 8-bit grey, or grey floats in [0, 255].
    """

    name: str
    image: Image

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.image.height, self.image.width

    @property
    def channels(self) -> int:
        """1 for a grey picture, else 3; a picture with three equal channels is grey."""
        if self.image.mode != "RGB":
            return GREY
        pixels = np.asarray(self.image, np.int16)
        return COLOUR if np.ptp(pixels, axis=-1).max() > _ALIKE else GREY

    def pixels(self, shape: tuple[int, int, int]) -> NDArray[np.float32]:
        """`[H, W, C]` in [0, 1]: the short side resized, the centre cropped, as in `ImageFolder`.

        Args:
            shape: height, width and channels.

        Raises:
            ValueError: if the picture has colours and `shape` one channel.
        """
        from PIL import Image, ImageOps

        height, width, channels = shape
        if channels < self.channels:
            raise ValueError(
                f"{self.name} must be grey, as the model takes one channel; it has colours"
            )
        image = self.image
        if image.mode == "RGB" and channels == GREY:
            image = image.convert("L")
        cropped = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
        values = np.divide(np.asarray(cropped), 255, dtype=np.float32).clip(0, 1)
        pixels = values if values.ndim == 3 else values[..., None]
        return np.repeat(pixels, channels // pixels.shape[-1], axis=-1)

    def describe(self, height: int, width: int) -> str:
        """What `pixels` does with the picture for this size, in words."""
        own = self.size
        if own == (height, width):
            return f"{own[0]}x{own[1]} as it is"
        crop = "" if own[0] * width == own[1] * height else ", its centre"
        return f"{own[0]}x{own[1]}{crop}, resized to {height}x{width}"


def open_photo(path: str) -> Photo:
    """Read a JPEG or PNG file; the orientation that the camera stored is applied.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or if parts of it are transparent.
    """
    from PIL import Image, ImageOps

    file = require_file(path)
    # Pillow warns about pictures of half the size that it refuses.
    with (
        as_value_error(f"{path} must be a JPEG or PNG file"),
        warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
        Image.open(file, formats=FORMATS) as image,
    ):
        upright = ImageOps.exif_transpose(image)
        opaque = _without_alpha(upright)
    if opaque is None:
        raise ValueError(f"{path} must have no transparent parts: put it on a background first")
    return Photo(Path(path).name, opaque)


def _without_alpha(image: Image) -> Image | None:
    """The image as RGB or grey; None if parts of it are transparent."""
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow would drop 8 of them
        return _floats(image)
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        with_alpha = image.convert("RGBA")
        if with_alpha.getextrema()[-1] != (255, 255):
            return None
        return with_alpha.convert("L" if image.mode == "LA" else "RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _floats(image: Image) -> Image:
    from PIL import Image as pillow

    values = np.asarray(image, np.float32) * (255 / 65535)
    return pillow.fromarray(values)


def input_shape(
    photos: Sequence[Photo], model: Shape | None, size: Sequence[int] | None
) -> tuple[int, int, int]:
    """Height, width and channels of the input for all photos.

    Args:
        photos: one or more.
        model: the model's input shape, with None for a size that is not fixed; None if unknown.
        size: the requested height and width, or one number for both; None: the model's.

    Raises:
        ValueError: if the model takes another size or number of channels, or if the size is not
            determined.
    """
    height, width, channels = model or (None, None, None)
    requested = None if size is None else (size[0], size[-1])
    fixed = [own for own in (height, width) if own is not None]
    if requested is not None and any(
        own not in (None, other) for own, other in zip((height, width), requested, strict=True)
    ):
        raise ValueError(
            f"--size must be the model's own, {height} {width}; got {requested[0]} {requested[1]}"
        )
    sizes = {photo.size for photo in photos}
    if requested is None and len(fixed) < 2 and len(sizes) > 1:
        raise ValueError(
            "--size must be given: the model takes any size, and the images have several"
        )
    default = requested or photos[0].size
    most = max(photo.channels for photo in photos)
    if channels not in (None, GREY, COLOUR):
        raise ValueError(f"the model must take 1 or 3 channels, as pictures have; got {channels}")
    return height or default[0], width or default[1], channels or most
