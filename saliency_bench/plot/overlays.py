"""One map over its image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.plot.scales import PERCENTILE, Array, Scale, plane, scale

OPACITY = 0.85
"""Opacity of the strongest colours over an image."""

_GROUND = 0.5  # grey level of black below colours, so that dark colours are visible
_TOLERANCE = 1e-3  # pixels converted to model units and back may leave [0, 1] by this much
_WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in luminance (BT.601)

Picture = NDArray[np.float32]


def overlay(
    image: NDArray[Any],
    attributions: Array,
    *,
    percentile: float = PERCENTILE,
    opacity: float = OPACITY,
    like: Scale | None = None,
) -> Picture:
    """Lay a map over its image in light grey: `[H, W, 3]` in [0, 1].

    Colours are symmetric about 0 if the map has negative values, otherwise they start at 0. Values
    near 0 are transparent. The image is hatched if the map is constant or nowhere finite; single
    values that are not finite are grey.

    Args:
        image: `[H, W]` or `[H, W, C]`, uint8 or floats in [0, 1]: display units.
        attributions: `[H, W]` or `[H, W, C']`; channels are summed.
        percentile: percentile of the absolute values at which the colours end, in (0, 100].
        opacity: opacity of the strongest colours, in (0, 1].
        like: a scale to use instead of the map's own.

    Raises:
        ValueError: if a shape, value or setting does not fit.
    """
    if not 0 < opacity <= 1:
        raise ValueError(f"opacity must be above 0 and at most 1; got {opacity}")
    pixels, values = to_display(image), plane(attributions)
    if values.shape != pixels.shape[:2]:
        raise ValueError(
            f"a map must be as high and wide as its image, {pixels.shape[:2]}; got {values.shape}"
        )
    own = scale([values], percentile=percentile)
    ground = _GROUND + (1 - _GROUND) * (pixels @ np.array(_WEIGHTS, np.float32))
    return _hatch(ground) if own is None else blend(ground, values, like or own, opacity)


def blend(ground: Array, values: Array, used: Scale, opacity: float) -> Picture:
    """Lay the colours of a plane over a grey image: `[H, W, 3]` in [0, 1].

    Args:
        ground: `[H, W]` grey levels in [0, 1].
        values: `[H, W]` the plane.
        used: the scale of the colours.
        opacity: opacity of the strongest colours.
    """
    # Values that are not finite are as opaque as the largest value.
    shares = np.where(np.isfinite(values), np.abs(used.shares(values)), 1.0)
    strength = opacity * shares[..., None]
    picture = (1 - strength) * ground[..., None] + strength * used.painted(values)
    return picture.astype(np.float32)


def to_display(image: NDArray[Any]) -> Picture:
    """An image as colours `[H, W, 3]` in [0, 1].

    Other numbers of channels than three have no colours: their mean is shown.

    Raises:
        ValueError: if it is not an image in display units.
    """
    given = np.asarray(image)
    if given.ndim not in (2, 3) or not given.size:
        raise ValueError(f"an image must be [H, W] or [H, W, C]; got shape {given.shape}")
    if given.dtype != np.uint8 and given.dtype.kind != "f":
        raise ValueError(f"an image must be uint8 or floats in [0, 1]; got {given.dtype}")
    pixels = given.astype(np.float32) / (255 if given.dtype == np.uint8 else 1)
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):  # nor NaN
        raise ValueError(
            f"an image must be in display units, uint8 or [0, 1]; got {low:.3g} to {high:.3g}"
        )
    result: Picture = (pixels[..., None] if pixels.ndim == 2 else pixels).clip(0, 1)
    if result.shape[-1] == 3:
        return result
    mean: Picture = result.mean(axis=-1, keepdims=True)
    return np.repeat(mean, 3, axis=-1)


def _hatch(ground: Array) -> Picture:
    """Draw diagonal lines over a grey image `[H, W]`."""
    rows, columns = np.indices(ground.shape)
    step = max(4, min(ground.shape) // 12)
    hatched = np.where((rows + columns) % step < max(1, step // 6), 0.3, ground)
    return np.repeat(hatched[..., None], 3, axis=-1).astype(np.float32)
