"""Pictures of more than 8 bits a sample: grey ones, and those with colours as well.

Of colours Pillow keeps one byte a sample, and its name of the layout ("RGB;16B") says which. So
such a picture is read twice: once for the high bytes, once for the low ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHITE = 65535

_BITS, _PHOTOMETRIC = 258, 262  # tags of TIFF

_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_OTHER_BYTE = {
    f"{kind};16{order}": f"{kind};16{swapped}"
    for kind in ("RGB", "RGBA")
    for order, swapped in _SWAPPED.items()
}
"""Layouts by the layout that keeps the other byte of each sample."""


def bits(image: Any) -> int:
    """Bits of a sample of a Pillow image that is opened and not loaded yet."""
    if image.format == "TIFF":
        return int(max(image.tag_v2.get(_BITS, (1,))))
    return 16 if any(";16" in _layout(tile) for tile in image.tile) else 8


def read(opened: Callable[[], AbstractContextManager[Any]]) -> NDArray[np.uint16]:
    """`[H, W]`, `[H, W, 3]`, or `[H, W, 4]` with alpha, upright; white is 65535.

    Args:
        opened: opens the picture.

    Raises:
        ValueError: if the layout of its samples is none that is read.
    """
    with opened() as image:
        if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
            return _grey(image)
        if any(_layout(tile) not in _OTHER_BYTE for tile in image.tile):
            raise ValueError(
                f"its samples of {bits(image)} bits ({image.mode}) are stored in a way that is "
                "not read; save it as PNG"
            )
        high = np.asarray(upright(image))
    with opened() as image:
        image.tile = [tile._replace(args=_of_other_byte(tile)) for tile in image.tile]
        return np.asarray(256 * high.astype(np.uint16) + np.asarray(upright(image)), np.uint16)


def upright(image: Any) -> Any:
    """The Pillow image, turned as the camera says."""
    from PIL import ImageOps

    image.load()  # which turns a TIFF; it must not be turned twice
    return ImageOps.exif_transpose(image)


def _grey(image: Any) -> NDArray[np.uint16]:
    if image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0:
        raise ValueError("its samples of 16 bits are 0 for white; save it with 0 for black")
    top = 2 ** bits(image) - 1  # before it is loaded: then they are forgotten
    values = np.asarray(upright(image)).astype(np.int64)
    return np.asarray((values * WHITE + top // 2) // top, np.uint16)


def _layout(tile: Any) -> str:
    return tile.args if isinstance(tile.args, str) else str(tile.args[0])


def _of_other_byte(tile: Any) -> Any:
    other = _OTHER_BYTE[_layout(tile)]
    return other if isinstance(tile.args, str) else (other, *tile.args[1:])
