"""Maps and images as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from saliency_bench.report import view
from saliency_bench.report.figures.palette import palette, plane, scaled
from saliency_bench.results import Results

SIDE = 112
"""Longest side in pixels; larger pictures are scaled down."""

QUALITY = 85
"""Of the compression, out of 100: the loss is invisible at this size."""

UNDEFINED = (160, 160, 160)
"""Grey, the colour of pixels where a map has no numbers."""


@dataclass(frozen=True)
class Strip:
    """One image and its maps along a check.

    Attributes:
        title: of the image.
        image: the image as a data URL.
        maps: `(name of the stage, map as a data URL)`, the untouched network first.
        palette: what the colours mean.
    """

    title: str
    image: str
    maps: tuple[tuple[str, str], ...]
    palette: str


def strips(results: Results, check: str, explainer: str) -> tuple[Strip, ...]:
    """A strip per example image; none without examples of this explainer.

    Args:
        results: of the run.
        check: name of the check.
        explainer: name of the explainer.
    """
    examples = results.examples
    by_stage = {} if examples is None else examples.maps.get(check, {}).get(explainer, {})
    if examples is None or 0 not in by_stage:
        return ()
    conditions = examples.conditions.get(check, {})
    names = {s: conditions.get(s, f"stage {s}") for s in sorted(by_stage)}
    names[0] = view.expectation(results, check).words.untouched
    rows = []
    for place, pixels in enumerate(examples.pictures(check)):
        colours = palette(plane(by_stage[0][place]))
        maps = tuple(
            (name, _map(scaled(plane(by_stage[stage][place])), colours.colours, colours.low))
            for stage, name in names.items()
        )
        rows.append(Strip(examples.title(check, place), _image(pixels), maps, colours.label))
    return tuple(rows)


def address(content: bytes, kind: str) -> str:
    """The data URL of a file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _map(values: NDArray[np.floating[Any]], colours: str, low: float) -> str:
    shares = np.clip((values - low) / (1 - low), 0, 1)
    painted = mpl.colormaps[colours](np.nan_to_num(shares), bytes=True)[..., :3].copy()
    painted[~np.isfinite(values)] = UNDEFINED
    return _small(painted)


def _image(pixels: NDArray[np.float32]) -> str:
    painted = np.clip(pixels * 255, 0, 255).round().astype(np.uint8)
    if painted.shape[-1] not in (3, 4):
        painted = np.repeat(painted[..., :1], 3, axis=-1)
    return _small(painted[..., :3])


def _small(painted: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(np.ascontiguousarray(painted), "RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    buffer = io.BytesIO()
    # A picture of few pixels is shown enlarged, so each pixel must stay exact.
    few = max(picture.size) < SIDE // 2
    picture.save(buffer, "WEBP", lossless=few, quality=QUALITY, method=4)
    return address(buffer.getvalue(), "image/webp")
