"""What all masking methods share: the scores of an image under many masks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Compiled
from saliency_bench.protocols import Bound, Floats, Ints, Output, SettingError
from saliency_bench.randomize import image_keys


class Probe(ABC):
    """The masks of one image, and the map that follows from the scores of the masked images.

    A caller asks for masks from the first to the last, some at a time, and adds their scores: a
    probe need not hold all masks, nor all masked images.

    Attributes:
        count: number of masks.
    """

    count: int

    @abstractmethod
    def masks(self, start: int, stop: int) -> NDArray[np.float32]:
        """Masks `start` to `stop - 1`: `[stop - start, H, W]`, 1 shows the image, 0 the fill."""

    @abstractmethod
    def add(self, start: int, masks: Floats, scores: Floats) -> None:
        """Add scores.

        Args:
            start: number of the first mask.
            masks: `[M, H, W]`, as `masks` returned them.
            scores: `[M]` the target's score of each masked image.
        """

    @abstractmethod
    def map(self) -> Floats:
        """The map `[H, W]`, after all scores were added."""


@dataclass(frozen=True)
class Masking(Compiled):
    """A method that needs nothing but the scores of masked images.

    Where a mask is 0 the image has the value `fill`; between 0 and 1 the two are blended.

    Attributes:
        fill: value of masked pixels, model units.
        output: what is explained.
    """

    stochastic: ClassVar[bool] = True
    uses_gradients: ClassVar[bool] = False
    axioms: ClassVar[frozenset[str]] = USUAL - {"confinement"}

    fill: float = field(default=0.0, kw_only=True)
    output: Output = field(default="logit", kw_only=True)

    def __post_init__(self) -> None:
        if not np.isfinite(self.fill):
            raise ValueError(f"fill must be finite; got {self.fill}")

    def reach(self, height: int, width: int) -> float:
        """Infinite: in a sample of random masks any pixel may get a value by chance."""
        return math.inf

    @abstractmethod
    def probe(self, image: NDArray[np.float32], key: int) -> Probe:
        """A probe of one image `[H, W, C]`; `key` seeds its masks."""

    def compile(self, model: Any) -> Bound:
        """Compile the forward pass of masked images for `model`."""

        def variant(images: Any, masks: Any) -> Any:
            shown = images * masks[..., None]
            return shown + self.fill * (1 - masks[..., None]) if self.fill else shown

        scores = network.Samples(network.target_score(model, self.output), variant, ranks=(2,))

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images = np.asarray(images, np.float32)
            seeds = image_keys(images) if keys is None else keys
            probes = (self.probe(image, int(key)) for image, key in zip(images, seeds, strict=True))
            maps = np.empty((*images.shape[:3], 1), np.float32)
            for index, probe in _evaluate(scores, images, targets, probes):
                maps[index, ..., 0] = probe.map()
            return maps

        return explain


@dataclass
class _Part:
    """Masks of one image that are evaluated in one batch."""

    index: int
    probe: Probe
    start: int
    stop: int


def _evaluate(
    score: network.Samples, images: Floats, targets: Ints, probes: Iterator[Probe]
) -> Iterator[tuple[int, Probe]]:
    """Yield each image's number and probe as soon as the probe has all its scores."""
    for parts in _batches(probes, score.batch):
        masks = [part.probe.masks(part.start, part.stop) for part in parts]
        sizes = [len(part_masks) for part_masks in masks]
        batch = network.SampleBatch(
            np.repeat([part.index for part in parts], sizes),
            np.concatenate([np.arange(part.start, part.stop) for part in parts]),
        )
        scores = score.rows(images, targets, batch, np.concatenate(masks))
        part_scores = np.split(scores, np.cumsum(sizes)[:-1])
        for part, *own in zip(parts, masks, part_scores, strict=True):
            part.probe.add(part.start, *own)
            if part.stop == part.probe.count:
                yield part.index, part.probe


def _batches(probes: Iterator[Probe], rows: int) -> Iterator[list[_Part]]:
    """Divide the masks of all images into batches of `rows`."""
    parts: list[_Part] = []
    room = rows
    for index, probe in enumerate(probes):
        start = 0
        while start < probe.count:
            stop = min(start + room, probe.count)
            parts.append(_Part(index, probe, start, stop))
            room -= stop - start
            start = stop
            if room == 0:
                yield parts
                parts, room = [], rows
    if parts:
        yield parts


def require(name: str, value: float, least: float) -> None:
    """Require that a setting is not below a limit.

    Args:
        name: of the setting.
        value: its value.
        least: the smallest allowed value.

    Raises:
        ValueError: if the value is below `least`.
    """
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")


def spread(cells: Floats, height: int, width: int) -> NDArray[np.float32]:
    """Enlarge a grid of cells; a value is repeated over its cell.

    Args:
        cells: `[..., rows, columns]`.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Returns:
        `[..., height, width]`.
    """
    rows = np.arange(height) * cells.shape[-2] // height
    columns = np.arange(width) * cells.shape[-1] // width
    return np.asarray(cells[..., rows[:, None], columns], np.float32)


def require_room(cells: int, image: Floats) -> None:
    """Raise `ValueError` if an image has fewer pixels than a grid has cells."""
    height, width = image.shape[:2]
    if cells > min(height, width):
        raise SettingError(f"cells must fit the image of {height}x{width}; got {cells}")
