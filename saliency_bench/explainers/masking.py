"""What all masking methods share: the scores of an image seen through many masks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Method
from saliency_bench.protocols import Bound, Floats, Ints, Output
from saliency_bench.randomize import image_keys


class Probe(ABC):
    """How one image is masked, and what the scores of the masked images say.

    Masks are asked for from the first to the last, a few at a time, and each few come back with
    their scores: a probe holds neither all masks nor all masked images.

    Attributes:
        count: how many masks there are.
    """

    count: int

    @abstractmethod
    def masks(self, start: int, stop: int) -> NDArray[np.float32]:
        """Masks `[stop - start, H, W]`: 1 shows the image, 0 the fill."""

    @abstractmethod
    def add(self, start: int, masks: Floats, scores: Floats) -> None:
        """Take the scores of the masks from `start` on."""

    @abstractmethod
    def map(self) -> Floats:
        """The map `[H, W]`, once all scores are there."""


@dataclass(frozen=True)
class Masking(Method):
    """A method that asks for the scores of masked images and for nothing else.

    Where a mask is 0 the image is `fill`, in model units; between, a blend of the two.
    """

    stochastic: ClassVar[bool] = True
    uses_gradients: ClassVar[bool] = False

    fill: float = field(default=0.0, kw_only=True)
    output: Output = field(default="logit", kw_only=True)

    def __post_init__(self) -> None:
        if not np.isfinite(self.fill):
            raise ValueError(f"fill must be finite; got {self.fill}")

    @abstractmethod
    def probe(self, image: NDArray[np.float32], key: int) -> Probe:
        """The masks of one image `[H, W, C]`; `key` seeds its noise."""

    def bind(self, model: Any) -> Bound:
        """Compile the forward pass of masked images for `model`."""

        def variant(images: Any, masks: Any) -> Any:
            shown = images * masks[..., None]
            return shown + self.fill * (1 - masks[..., None]) if self.fill else shown

        kernel = network.SampleKernel(
            model, lambda seen: seen.target_scores, variant, ranks=(2,), output=self.output
        )

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images = np.asarray(images, np.float32)
            seeds = image_keys(images) if keys is None else keys
            probes = (self.probe(image, int(key)) for image, key in zip(images, seeds, strict=True))
            maps = np.empty((*images.shape[:3], 1), np.float32)
            for index, probe in _finished(kernel, images, targets, probes):
                maps[index, ..., 0] = probe.map()
            return maps

        return bound


@dataclass
class _Part:
    """Masks of one image that are evaluated in one batch."""

    index: int
    probe: Probe
    start: int
    stop: int


def _finished(
    kernel: network.SampleKernel, images: Floats, targets: Ints, probes: Iterator[Probe]
) -> Iterator[tuple[int, Probe]]:
    """Each image's number and probe, as soon as all its scores are there."""
    for parts in _batches(probes, kernel.batch):
        masks = [part.probe.masks(part.start, part.stop) for part in parts]
        sizes = [len(own) for own in masks]
        batch = network.Pairs(
            np.repeat([part.index for part in parts], sizes),
            np.concatenate([np.arange(part.start, part.stop) for part in parts]),
        )
        scores = kernel(images, targets, batch, np.concatenate(masks))
        ends = np.split(scores, np.cumsum(sizes)[:-1])
        for part, own, found in zip(parts, masks, ends, strict=True):
            part.probe.add(part.start, own, found)
            if part.stop == part.probe.count:
                yield part.index, part.probe


def _batches(probes: Iterator[Probe], rows: int) -> Iterator[list[_Part]]:
    """The masks of all images, `rows` of them at a time."""
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
    """Raise `ValueError` if a setting is too small."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")


def spread(cells: Floats, height: int, width: int) -> NDArray[np.float32]:
    """Cells `[..., rows, columns]` to images `[..., height, width]`, each value over its cell."""
    rows = np.arange(height) * cells.shape[-2] // height
    columns = np.arange(width) * cells.shape[-1] // width
    return np.asarray(cells[..., rows[:, None], columns], np.float32)


def require_room(cells: int, image: Floats) -> None:
    """Raise `ValueError` if an image has fewer pixels than a grid has cells."""
    height, width = image.shape[:2]
    if cells > min(height, width):
        raise ValueError(f"cells must fit the image of {height}x{width}; got {cells}")
