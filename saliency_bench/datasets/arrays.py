"""Checks arrays of any origin and converts them to the units of a `Dataset`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Preprocessing
from saliency_bench.protocols.inputs import as_classes, refuse, require_channels_last

Array = NDArray[Any]


def as_pixels(array: Array, *, name: str = "x") -> NDArray[np.float32]:
    """Pixels `[N, H, W, C]` in [0, 1] from bytes or floats `[N, H, W]` or `[N, H, W, C]`.

    Raises:
        ValueError: if rank, dtype or range is wrong, a value is NaN, the array is empty, or its
            channels come first.
    """
    if array.ndim not in (3, 4):
        raise ValueError(f"{name} must be [N, H, W] or [N, H, W, C], got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    if array.ndim == 4:
        require_channels_last(array.shape, name)
    pixels = _unit_range(array, name)
    return pixels[..., np.newaxis] if pixels.ndim == 3 else pixels


def as_labels(array: Array, n_images: int, *, name: str = "y") -> NDArray[np.int64]:
    """Labels `[N]`, one class index per image.

    Args:
        array: the labels as given.
        n_images: N.
        name: of the array, for messages.

    Raises:
        ValueError: if rank or length is wrong, or a value is not the number of a class.
    """
    if array.ndim != 1:
        raise ValueError(f"{name} must be [N], one class index per image, got shape {array.shape}")
    if len(array) != n_images:
        raise ValueError(f"{name} must hold one label per image, got {len(array)} for {n_images}")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold whole numbers, got dtype {array.dtype}")
    return as_classes(array, name)


def preprocessing(mean: float | Sequence[float], std: float | Sequence[float]) -> Preprocessing:
    """A `Preprocessing` from one number or one per channel."""
    return Preprocessing(mean=_channels(mean), std=_channels(std))


def check_channels(applied: Preprocessing, n_channels: int) -> None:
    """Raise `ValueError` unless mean and std fit images of `n_channels` channels."""
    for name, values in (("mean", applied.mean), ("std", applied.std)):
        if len(values) not in (1, n_channels):
            raise ValueError(
                f"{name} must hold 1 number or one for each of {n_channels} channels, got {values}"
            )


def check_classes(classes: Sequence[str], labels: NDArray[np.int64] | None) -> None:
    """Raise `ValueError` if there are class names, but none for a label."""
    if classes and labels is not None and labels.max() >= len(classes):
        raise ValueError(
            f"classes must name every label; got {len(classes)} names and label {labels.max()}"
        )


def split_rows(n_images: int, n_test: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and test rows: the last `n_test` of a fixed permutation are the test rows."""
    order = np.random.default_rng(0).permutation(n_images)
    return order[:-n_test], order[-n_test:]


def _unit_range(array: Array, name: str) -> NDArray[np.float32]:
    if array.dtype == np.uint8:
        return np.divide(array, 255, dtype=np.float32)
    rule = f"{name} must be uint8 from 0 to 255 or floats that are finite and in [0, 1]"
    if array.dtype.kind != "f":
        raise ValueError(f"{rule}, got dtype {array.dtype}")
    refuse(~((array >= 0) & (array <= 1)), array, rule)
    return array.astype(np.float32)


def _channels(values: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.atleast_1d(np.asarray(values, dtype=float)))
