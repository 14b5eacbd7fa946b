"""One map over its image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.plot.scales import PERCENTILE, Array, Scale, plane, scale

OPACITY = 0.85
"""Of the colours that lie over an image, where they end."""

_GROUND = 0.5  # black of an image below colours; so much grey lets dark colours be seen
_BESIDE = 1e-3  # of [0, 1]: pixels that went to model units and back may lie beside it
_WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in what the eye calls bright (BT.601)

Picture = NDArray[np.float32]


def overlay(
    image: NDArray[Any],
    attributions: Array,
    *,
    percentile: float = PERCENTILE,
    opacity: float = OPACITY,
    like: Scale | None = None,
) -> Picture:
    """A map over its image in light grey, `[H, W, 3]` in [0, 1].

    Colours are symmetric about 0 where the map has negative values, else they start at 0; the
    nearer to 0, the more transparent. All is hatched where the map has nothing to show: it is
    constant or nowhere finite. Grey stands for single values that are not finite.

    Args:
        image: `[H, W]` or `[H, W, C]`, uint8 or floats in [0, 1]: display units.
        attributions: `[H, W]` or `[H, W, C']`; channels are summed.
        percentile: of the absolute values; the colours end there.
        opacity: of the colours where they end.
        like: a scale to use instead of the map's own.

    Raises:
        ValueError: if shapes, values or settings do not fit.
    """
    if not 0 < opacity <= 1:
        raise ValueError(f"opacity must be above 0 and at most 1; got {opacity}")
    pixels, values = displayed(image), plane(attributions)
    if values.shape != pixels.shape[:2]:
        raise ValueError(
            f"a map must be as high and wide as its image, {pixels.shape[:2]}; got {values.shape}"
        )
    own = scale([values], percentile=percentile)
    ground = _GROUND + (1 - _GROUND) * (pixels @ np.array(_WEIGHTS, np.float32))
    return _hatched(ground) if own is None else blended(ground, values, like or own, opacity)


def blended(ground: Array, values: Array, used: Scale, opacity: float) -> Picture:
    """The colours of a plane `[H, W]` over shades of grey `[H, W]`: `[H, W, 3]` in [0, 1]."""
    # What is not finite hides the image as much as the largest value does.
    shares = np.where(np.isfinite(values), np.abs(used.shares(values)), 1.0)
    strength = opacity * shares[..., None]
    picture = (1 - strength) * ground[..., None] + strength * used.painted(values)
    return picture.astype(np.float32)


def displayed(image: NDArray[Any]) -> Picture:
    """An image as colours `[H, W, 3]` in [0, 1].

    Anything but one or three channels has no colours of its own: shown as their mean.

    Raises:
        ValueError: if it is no image in display units.
    """
    given = np.asarray(image)
    if given.ndim not in (2, 3) or not given.size:
        raise ValueError(f"an image must be [H, W] or [H, W, C]; got shape {given.shape}")
    if given.dtype != np.uint8 and given.dtype.kind != "f":
        raise ValueError(f"an image must be uint8 or floats in [0, 1]; got {given.dtype}")
    pixels = given.astype(np.float32) / (255 if given.dtype == np.uint8 else 1)
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -_BESIDE and high <= 1 + _BESIDE):  # nor NaN
        raise ValueError(
            f"an image must be in display units, uint8 or [0, 1]; got {low:.3g} to {high:.3g}"
        )
    placed: Picture = (pixels[..., None] if pixels.ndim == 2 else pixels).clip(0, 1)
    if placed.shape[-1] == 3:
        return placed
    mean: Picture = placed.mean(axis=-1, keepdims=True)
    return np.repeat(mean, 3, axis=-1)


def _hatched(ground: Array) -> Picture:
    """The image below diagonal lines."""
    rows, columns = np.indices(ground.shape)
    step = max(4, min(ground.shape) // 12)
    lined = np.where((rows + columns) % step < max(1, step // 6), 0.3, ground)
    return np.repeat(lined[..., None], 3, axis=-1).astype(np.float32)
