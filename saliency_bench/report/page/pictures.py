"""Maps and images as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from saliency_bench.report import view
from saliency_bench.report.figures.palette import (
    Array,
    Palette,
    emptiness,
    palette,
    plane,
    scaled,
)
from saliency_bench.results import Results

SIDE = 112
"""Longest side in pixels; larger pictures are scaled down."""

QUALITY = 85
"""Of the compression, out of 100: the loss is invisible at this size."""

UNDEFINED = (160, 160, 160)
"""Grey, the colour of pixels where a map has no numbers."""


HEIGHT = 6
"""Of a colour bar, in pixels."""


@dataclass(frozen=True)
class Frame:
    """A map at one stage.

    Attributes:
        name: of the stage.
        source: the map as a data URL; empty if it shows nothing.
        empty: why it shows nothing, in words.
    """

    name: str
    source: str
    empty: str


@dataclass(frozen=True)
class Strip:
    """One image and its maps along a check, that of the untouched network first.

    Attributes:
        title: of the image.
        image: the image as a data URL.
        size: its width and height, in pixels.
        frames: a map per stage.
    """

    title: str
    image: str
    size: tuple[int, int]
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Bar:
    """What the colours of an explainer's maps mean.

    Attributes:
        source: a colour bar as a data URL.
        low: the number at its left end.
        text: what kind of map it is.
    """

    source: str
    low: str
    text: str


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
    colours = palette(signed=view.signed(results, explainer))
    return tuple(
        Strip(
            examples.title(check, place),
            _image(pixels),
            (pixels.shape[1], pixels.shape[0]),
            tuple(
                _frame(name, plane(by_stage[stage][place]), colours)
                for stage, name in names.items()
            ),
        )
        for place, pixels in enumerate(examples.pictures(check))
    )


def bar(results: Results, explainer: str) -> Bar:
    """The colour bar of an explainer's maps."""
    colours = palette(signed=view.signed(results, explainer))
    ramp = np.tile(np.linspace(colours.low, 1, SIDE), (HEIGHT, 1))
    return Bar(_map(ramp, colours), "-p99" if colours.low < 0 else "0", colours.label)


def address(content: bytes, kind: str) -> str:
    """The data URL of a file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _frame(name: str, values: Array, colours: Palette) -> Frame:
    why = emptiness(values)
    return Frame(name, "" if why else _map(scaled(values), colours), why)


def _map(values: Array, colours: Palette) -> str:
    shares = np.clip((values - colours.low) / (1 - colours.low), 0, 1)
    painted = mpl.colormaps[colours.colours](np.nan_to_num(shares), bytes=True)[..., :3].copy()
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
