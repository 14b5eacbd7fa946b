"""Images and labels as people give them: arrays of the right kind, or refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.errors import one_line
from saliency_bench.protocols.lazy_images import Rows

Array = NDArray[Any]

MOST_CLASSES = 1_000_000
"""No data set has more classes: a larger label is no class, and would fill the memory."""

LEAST_SIDE = 16
"""Pixels: no picture has more channels than this along its last axis and three or four rows."""


def as_images(images: Any) -> Array | Rows:
    """Images `[N, H, W, C]` as an array of numbers, neither copied nor cast; `Rows` stay `Rows`.

    Raises:
        ValueError: if they are no such numbers, have several shapes, or there is none.
    """
    rule = "images must be numbers [N, H, W, C]"
    array = images if isinstance(images, Rows) else as_numbers(images, rule)
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(f"images must be [N, H, W, C] with N >= 1; got shape {array.shape}")
    return array


def as_targets(targets: Any, count: int) -> NDArray[np.int64]:
    """Targets `[N]`, the number of a class for each of `count` images.

    Raises:
        ValueError: if they are no whole numbers, not one per image, or no numbers of classes.
    """
    rule = f"targets must be {count} integers, one per image"
    array = as_numbers(targets, rule)
    if array.dtype.kind not in "iu" or array.shape != (count,):
        raise ValueError(f"{rule}; got {array.dtype} of shape {array.shape}")
    return as_classes(array, "targets")


def as_masks(values: Any, shape: tuple[int, ...], name: str = "masks") -> NDArray[np.bool_]:
    """Masks `[N, H, W]` of images: bools, or numbers of which one stands for inside.

    Args:
        values: the masks; 0 or False is outside.
        shape: `(N, H, W)` of the images.
        name: of the array, for messages.

    Raises:
        ValueError: if they are no such numbers, or not one mask of its size for each image.
    """
    rule = f"{name} must be {shape}, a mask per image: bools, or 0 and one other number"
    array = as_numbers(values, rule)
    if array.shape != shape:
        raise ValueError(f"{rule}; got shape {array.shape}")
    if array.dtype == bool:
        return array
    kinds = np.unique(array)
    if np.count_nonzero(kinds) > 1 or not np.isfinite(kinds.astype(np.float64)).all():
        raise ValueError(f"{rule}; got {', '.join(map(str, kinds[:3]))} and so on")
    return np.asarray(array != 0)


def as_classes(array: Array, name: str) -> NDArray[np.int64]:
    """Numbers of classes from integers or floats of any shape.

    Args:
        array: the numbers.
        name: of the array, for messages.

    Raises:
        ValueError: if one is not whole, negative, not finite, or beyond `MOST_CLASSES`.
    """
    whole = np.isfinite(array) & (array >= 0)
    if array.dtype.kind == "f":
        whole &= array == np.floor(array)
    refuse(~whole, array, f"{name} must hold whole numbers from 0 on")
    refuse(array >= MOST_CLASSES, array, f"{name} must hold class numbers below {MOST_CLASSES}")
    return array.astype(np.int64)


def as_numbers(values: Any, rule: str) -> Array:
    """Anything that NumPy reads as an array of real numbers.

    Args:
        values: what was given.
        rule: what they must be, for the message.

    Raises:
        ValueError: if they are none.
    """
    if values is None:
        raise ValueError(f"{rule}; got None")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = _shapes(values) or one_line(error, longest=160)
        raise ValueError(f"{rule}; got {reason}") from None
    kind = array.dtype.kind
    # Types of other libraries, such as bfloat16, have the kind V.
    if kind not in "biufV" or not np.can_cast(array.dtype, np.float64, "same_kind"):
        raise ValueError(f"{rule}; got {_described(values, array)}")
    return array


def require_channels_last(shape: tuple[int, ...], name: str) -> None:
    """Raise `ValueError` if images of this shape `(N, H, W, C)` must be `(N, C, H, W)`.

    It is for images of which nothing else is known. A row of many channels is a series, but three
    or four rows of them, or as many as pixels in a row, are a picture whose channels come first.
    """
    _, first, second, last = shape
    square = second == last > 4
    if (first in (1, 3, 4) and square) or (first in (3, 4) and min(second, last) > LEAST_SIDE):
        raise ValueError(
            f"{name} must be [N, H, W, C]; got {shape}, whose channels come first: "
            f"use np.moveaxis(x, 1, -1)"
        )


def refuse(wrong: NDArray[np.bool_], array: Array, rule: str) -> None:
    """Raise `ValueError` with a rule and the first value that is wrong, if there is one."""
    if wrong.any():
        place = tuple(int(i) for i in np.unravel_index(np.argmax(wrong), array.shape))
        raise ValueError(f"{rule}, got {array[place]} at index {list(place)}")


def _described(values: Any, array: Array) -> str:
    if array.dtype.kind in "US":
        return "text"
    if array.dtype == object:
        return _shapes(values) or f"a {type(values).__name__} of objects"
    return f"an array of {array.dtype}"


def _shapes(values: Any) -> str | None:
    """Two shapes of the rows of a list or of an array of objects; None if all have one shape."""
    is_array = isinstance(values, np.ndarray) and values.ndim > 0
    rows = values if is_array or isinstance(values, list | tuple) else []
    shapes = list(dict.fromkeys(map(_shape, rows)))
    return f"arrays of several shapes, {shapes[0]} and {shapes[1]}" if len(shapes) > 1 else None


def _shape(row: Any) -> str:
    try:
        return str(np.shape(row))
    except ValueError:
        return "a ragged one"
