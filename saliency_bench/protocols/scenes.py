"""Images, their units and scenes of them; and type names that all modules share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.lazy_images import Rows

BLOCK = 32
"""Consecutive images that share a null; shards and batches are whole blocks."""

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
TargetMode = Literal["label", "predicted", "repredict"]


class TargetOutput(Protocol):
    """A function of the model's output that is explained instead of a class logit."""

    def __call__(self, output: Any, /) -> Any:
        """A `network.ModelOutput`, in a graph, to scores `[N]` or `[N, K]`; targets pick one."""
        ...


Output = Literal["logit", "probability"] | TargetOutput


@dataclass(frozen=True)
class Preprocessing:
    """How pixels in [0, 1] become a model's input, and back.

    Attributes:
        mean: per channel, in units of [0, 1]; subtracted first.
        std: per channel, in units of [0, 1]; divided by afterwards.
        reverse_channels: RGB becomes BGR, before `mean` and `std` apply.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    reverse_channels: bool = False

    def __post_init__(self) -> None:
        if any(s <= 0 for s in self.std):
            raise ValueError(f"std must be positive, got {self.std}")

    def __call__(self, pixels: Floats) -> NDArray[np.float32]:
        """Pixels `[N, H, W, C]` in [0, 1] to model units."""
        ordered = pixels[..., ::-1] if self.reverse_channels else pixels
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.asarray((ordered - mean) / std, np.float32)

    def inverse(self, images: Floats) -> NDArray[np.float32]:
        """Model units `[N, H, W, C]` back to pixels in [0, 1]."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        pixels = np.asarray(images * std + mean, np.float32)
        return pixels[..., ::-1] if self.reverse_channels else pixels


@dataclass(frozen=True)
class Dataset:
    """Images to explain, with labels and masks where there are any, and images to train on.

    Attributes:
        name: what the report calls it.
        pixels: `[N, H, W, C]` float32 in [0, 1], display units; an array, or `Rows` that are read
            when they are indexed.
        labels: `[N]` int64, or None.
        train_pixels: `[M, H, W, C]`, likewise, or None if there is nothing to train on.
        train_labels: `[M]` int64, or None.
        classes: a name per class; empty if unknown.
        preprocessing: display units to model units.
        masks: `[N, H, W]` bool, where in each image the evidence lies; an empty mask: not known. An
            array, or `Rows`. None if there are none.
        single: the images of which each of these pictures shows several, and those to train on: a
            network learns single images, and is applied to the larger pictures.
    """

    name: str
    pixels: NDArray[np.float32] | Rows
    labels: NDArray[np.int64] | None = None
    train_pixels: NDArray[np.float32] | Rows | None = None
    train_labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    masks: NDArray[np.bool_] | Rows | None = None
    single: Dataset | None = None

    @property
    def images(self) -> NDArray[np.float32]:
        """`pixels` in model units, all at once."""
        return self.preprocessing(np.asarray(self.pixels))

    @property
    def rows(self) -> Rows:
        """`images`, read when they are indexed."""
        return Rows(self.pixels, self.preprocessing)

    @property
    def regions(self) -> NDArray[np.bool_] | None:
        """`masks`, all at once."""
        return None if self.masks is None else np.asarray(self.masks)

    def first(self, n: int) -> Dataset:
        """The same data with the first `n` images to explain.

        If these are of one class although there are more, as in data that is sorted by class, `n`
        evenly spaced images are taken instead.
        """
        labels = self.labels
        rows = first_rows(len(self.pixels), n, labels)
        return replace(
            self,
            pixels=_taken(self.pixels, rows),
            labels=None if labels is None else labels[rows],
            masks=None if self.masks is None else _taken(self.masks, rows),
        )


def first_rows(total: int, n: int, labels: Ints | None = None) -> NDArray[np.int64]:
    """The places of the first `n` of `total` images.

    If these are of one class although there are more, `n` evenly spaced places are taken instead.

    Args:
        total: number of images.
        n: most images.
        labels: `[total]` classes, if they are known.
    """
    rows = np.arange(min(n, total))
    if labels is not None and len(set(labels[rows])) < 2 <= len(set(labels)):
        rows = rows * total // len(rows)
    return rows


def _taken(images: NDArray[Any] | Rows, rows: Ints) -> Any:
    return images.take(rows) if isinstance(images, Rows) else images[rows]


@dataclass(frozen=True)
class Scene:
    """Images with their targets and keys.

    Attributes:
        images: `[N, H, W, C]` float32, model units; those of a whole study are `Rows`, which are
            read when they are indexed.
        targets: `[N]` int64, the explained class of each image.
        keys: `[N]` int64, one per *unmodified* image; they seed an explainer's noise.
        regions: `[N, H, W]` bool masks, if any: where the evidence lies for what the network in
            force was trained to name. An image with an empty mask is left out.
        labels: `[N]` true classes, if they are known.
    """

    images: NDArray[np.float32]
    targets: NDArray[np.int64]
    keys: NDArray[np.int64]
    regions: NDArray[np.bool_] | None = None
    labels: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, index: slice | Ints) -> Scene:
        """The same scene, of these images only."""
        return replace(
            self,
            images=self.images[index],
            targets=self.targets[index],
            keys=self.keys[index],
            regions=None if self.regions is None else self.regions[index],
            labels=None if self.labels is None else self.labels[index],
        )
