"""The one reader of picture files: what is explained and what is judged are the same pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets import deep_pictures
from saliency_bench.datasets.content import as_value_error, require_file

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")

GREY, COLOUR = 1, 3
"""Channels that a picture can give."""

OPAQUE = frozenset({"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"})
ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
"""Pillow's names of the kinds of pixels that are read, without and with transparency."""

_TRANSPARENT = "parts of it are transparent; put it on a background first"
_ALIKE = 2 / 255  # largest difference between channels in a JPEG of a grey picture
_LUMA = np.array([19595, 38470, 7471])  # of 65536: ITU-R 601, rounded as in Pillow


@dataclass(frozen=True)
class Picture:
    """A picture file, decoded, upright and opaque.

    Attributes:
        path: of the file.
        samples: `[H, W]` grey or `[H, W, 3]` RGB; uint8 or uint16, whose largest value is white.
    """

    path: Path
    samples: NDArray[Any]

    @property
    def name(self) -> str:
        """Of the file."""
        return self.path.name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.samples.shape[0], self.samples.shape[1]

    @property
    def channels(self) -> int:
        """1 for a grey picture, else 3; a picture with three equal channels is grey."""
        if self.samples.ndim == 2:
            return GREY
        spread = np.ptp(self.samples.astype(np.int32), axis=-1).max()
        return COLOUR if spread > _ALIKE * np.iinfo(self.samples.dtype).max else GREY

    def fitted(self, shape: tuple[int, int, int]) -> NDArray[Any]:
        """`[H, W, C]` in the type of `samples`: the short side resized, the centre cropped.

        Args:
            shape: height, width and channels; 1 or 3 channels.

        Raises:
            ValueError: if the picture has colours and `shape` one channel.
        """
        height, width, channels = shape
        if channels < self.channels:
            raise ValueError(
                f"{self.path} must be grey, as the model takes one channel; it has colours"
            )
        samples = self.samples
        if samples.ndim == 3 and channels == GREY:
            samples = ((samples @ _LUMA + 2**15) >> 16).astype(samples.dtype)
        fitted = _fit(samples, height, width)
        return fitted if fitted.ndim == 3 else np.repeat(fitted[..., None], channels, axis=-1)

    def pixels(self, shape: tuple[int, int, int]) -> NDArray[np.float32]:
        """`fitted` in [0, 1]."""
        return unit_range(self.fitted(shape))

    def describe(self, height: int, width: int) -> str:
        """What `pixels` does with the picture for this size, in words."""
        own = self.size
        if own == (height, width):
            return f"{own[0]}x{own[1]} as it is"
        crop = "" if own[0] * width == own[1] * height else ", its centre"
        return f"{own[0]}x{own[1]}{crop}, resized to {height}x{width}"


def unit_range(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Unsigned integers as float32 in [0, 1]; the largest value of their type is 1."""
    return np.asarray(np.divide(samples, np.iinfo(samples.dtype).max, dtype=np.float32))


def open_picture(path: str | Path) -> Picture:
    """Read a JPEG, PNG or TIFF file; the orientation that the camera stored is applied.

    A picture with an alpha channel is read without it if every pixel is opaque. Of a JPEG with
    several pictures, as some phones write, the first is read: the others belong to it. CMYK
    becomes RGB by Pillow's formula, and no colour profile is applied.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, has several frames, or has transparent parts.
    """
    file = require_file(path)
    with as_value_error(f"{path} must be a still and opaque JPEG, PNG or TIFF file"):
        return Picture(file, _samples(file))


def _samples(file: Path) -> NDArray[Any]:
    with _opened(file) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":
            raise ValueError(f"it has {frames} frames; save one of them")
        key = image.info.get("transparency")
        if deep_pictures.bits(image) <= 8:
            return _opaque(_bytes(image))
    samples = deep_pictures.read(partial(_opened, file))
    if key is not None and np.all(samples == key, axis=tuple(range(2, samples.ndim))).any():
        raise ValueError(_TRANSPARENT)
    return _opaque(samples)


def _bytes(image: Image) -> NDArray[np.uint8]:
    """`[H, W]`, or `[H, W, C]` with 3 channels or with 4, the last of them alpha."""
    if image.mode not in OPAQUE | ALPHA:
        raise ValueError(f"its pixels are of kind {image.mode}, which have no known white")
    turned = deep_pictures.upright(image)
    if turned.mode in ALPHA or "transparency" in turned.info:
        return np.asarray(turned.convert("RGBA"))
    return np.asarray(turned.convert("L" if turned.mode in ("1", "L") else "RGB"))


def _opaque(samples: NDArray[Any]) -> NDArray[Any]:
    """The samples without their alpha channel, if they have one."""
    if samples.ndim == 2 or samples.shape[-1] == COLOUR:
        return samples
    if (samples[..., COLOUR] != np.iinfo(samples.dtype).max).any():
        raise ValueError(_TRANSPARENT)
    return samples[..., :COLOUR]


def _fit(samples: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Samples of another size: the short side resized, the centre cropped."""
    from PIL import Image, ImageOps

    def fit(plane: NDArray[Any]) -> NDArray[Any]:
        size, how = (width, height), Image.Resampling.BICUBIC
        return np.asarray(ImageOps.fit(Image.fromarray(plane), size, how))

    if samples.dtype == np.uint8:
        return fit(samples)
    if samples.ndim == 3:
        return np.stack([_fit(samples[..., c], height, width) for c in range(COLOUR)], axis=-1)
    fitted = np.rint(fit(samples.astype(np.float32))).clip(0, deep_pictures.WHITE)
    return np.asarray(fitted, samples.dtype)


@contextmanager
def _opened(file: Path) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    # Pillow hands some other formats to external programs, whatever the file's name. Its warnings
    # tell of pictures that it reads all the same; it refuses those that are too large. Of a path
    # it maps plain TIFFs into memory, and garbles them if they are to be turned by 90 degrees.
    with warnings.catch_warnings(action="ignore"), file.open("rb") as stream:
        try:
            image = Image.open(stream, formats=FORMATS)
        except UnidentifiedImageError:
            raise ValueError("it is of another kind, or damaged") from None
        with image:
            yield image
