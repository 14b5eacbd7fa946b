"""Whether a network gets the input that it was made for: found before any map is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from saliency_bench import network
from saliency_bench.models import LoadedModel
from saliency_bench.models.application import BYTES, RANGES
from saliency_bench.protocols import Dataset, Floats, Output, Preprocessing
from saliency_bench.protocols.labels import SIGNIFICANCE, chance

MOST = 64
"""Number of images on which another input is tried."""

_BEYOND_LUCK = 1e-4
_FAR = 0.3
_MOSTLY, _PER_CLASS = 0.8, 10

_KEEPS = "mean=0 std=1, set for the model, would keep [0, 1]"

Outputs = Callable[[Floats], NDArray[np.float32]]


@dataclass(frozen=True)
class Trial:
    """A network on labelled images.

    Attributes:
        outputs: from images in model units to scores `[N, K]`.
        labels: `[N]`.
        chance: accuracy of guessing.
    """

    outputs: Outputs
    labels: NDArray[np.int64]
    chance: float

    def first(self, count: int) -> Trial:
        """The same with the first images only."""
        return replace(self, labels=self.labels[:count])

    def hits(self, scores: Floats) -> int:
        """Number of images whose highest score is that of their label."""
        return int((scores.argmax(axis=1) == self.labels).sum())

    def right(self, images: Floats) -> int:
        """Number of images `[N, H, W, C]`, model units, that the network is right on."""
        return self.hits(self.outputs(images))

    def is_guessing(self, right: int) -> bool:
        """Whether so many are not significantly more than chance."""
        return self._luck(right) >= SIGNIFICANCE

    def is_far_better(self, right: int, than: int) -> bool:
        """Whether so many leave no doubt."""
        return right - than >= _FAR * len(self.labels) and self._luck(right) < _BEYOND_LUCK

    def better_input(self, pixels: Floats, than: int) -> str:
        """The usual input on which the network is far better, in words; empty if there is none.

        Args:
            pixels: `[N, H, W, C]` in [0, 1].
            than: number of images that it is right on now.
        """
        found = {name: self.right(units(pixels)) for name, units in _fitting(pixels)}
        best = max(found, key=lambda name: found[name])
        if not self.is_far_better(found[best], than):
            return ""
        return f"right on {found[best]} of {len(self.labels)} if it gets {best}{_setting(best)}"

    def better_labels(self, scores: Floats, than: int) -> str:
        """The shift of the labels by one class for which the network is far better, in words."""
        predicted = scores.argmax(axis=1)
        found = {by: int((predicted == self.labels + by).sum()) for by in (1, -1)}
        by = max(found, key=lambda shift: found[shift])
        if not self.is_far_better(found[by], than):
            return ""
        return f"right on {found[by]} of {len(self.labels)} if {by:+d} is added to each label"

    def other_order(self, scores: Floats) -> str:
        """What is known of another order of the classes, in words; empty if nothing is."""
        count = scores.shape[1]
        if len(self.labels) < _PER_CLASS * count:
            return ""
        table = np.zeros((count, count))
        np.add.at(table, (self.labels, scores.argmax(axis=1)), 1)
        matched = int(table[optimize.linear_sum_assignment(-table)].sum())
        if matched < _MOSTLY * len(self.labels):
            return ""
        return f"; with its classes in another order it would be right on {matched}"

    def _luck(self, right: int) -> float:
        return float(stats.binom.sf(right - 1, len(self.labels), self.chance))


def _fitting(pixels: Floats) -> Iterator[tuple[str, Preprocessing]]:
    for name, units in RANGES.items():
        if pixels.shape[-1] == 3 or not (units.reverse_channels or len(units.mean) == 3):
            yield name, units


def _setting(name: str) -> str:
    units = RANGES[name]
    if units.reverse_channels:
        return ""
    mean, std = (", ".join(f"{v:.6g}" for v in values) for values in (units.mean, units.std))
    return f" (mean=[{mean}], std=[{std}])"


def _trial(outputs: Outputs, labels: NDArray[np.int64] | None) -> Trial | None:
    guessing = chance(labels)
    return None if labels is None or guessing is None else Trial(outputs, labels, guessing)


@dataclass(frozen=True)
class Weakness:
    """What is wrong with a network that is not better than chance.

    Attributes:
        line: one line for the user.
        cause: the input or the labels with which it is far better; empty if none is known.
    """

    line: str
    cause: str


def weakness(
    outputs: Outputs,
    images: Floats,
    labels: NDArray[np.int64] | None,
    scores: Floats,
    units: Preprocessing,
) -> Weakness | None:
    """Whether a network is not better than chance, and the likely cause.

    Args:
        outputs: from images in model units to scores `[N, K]`.
        images: `[N, H, W, C]`, model units.
        labels: `[N]`, or None.
        scores: `[N, K]` of the images.
        units: preprocessing of the images; if it is the default, their range tells.
    """
    trial = _trial(outputs, labels)
    if trial is None:
        return None
    right = trial.hits(scores)
    if not trial.is_guessing(right):
        return None
    few, some = trial.first(MOST), np.asarray(images[:MOST])
    is_told = units != Preprocessing()
    pixels = units.inverse(some) if is_told else _as_pixels(some)
    now = few.hits(scores[:MOST])
    cause = few.better_labels(scores[:MOST], now)
    if not cause and pixels is not None:
        cause = few.better_input(pixels, now)
    found = cause and f"; it is {cause}"
    other = trial.other_order(scores) or "; the range, the channels or the classes may be others"
    line = (
        f"the network is right on {right} of {len(images)} images, not better than chance "
        f"({trial.chance:.2g}){found or other}"
    )
    return Weakness(line, cause)


def _as_pixels(images: Floats) -> NDArray[np.float32] | None:
    """Images of a usual range as pixels in [0, 1]; None if their range is another one."""
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 255:
        return np.asarray(images if high <= 1 else images / 255, np.float32)
    return np.asarray((images + 1) / 2, np.float32) if low >= -1 and high <= 1 else None


def fit_input(
    loaded: LoadedModel, dataset: Dataset, output: Output = "logit"
) -> tuple[Preprocessing, str]:
    """The preprocessing that a loaded network gets, and a line on it for the user.

    Preprocessing that is set is kept. Else a network that itself rescales pixels from [0, 255] gets
    these, unless it is right on fewer labels then. The line is empty if nothing is remarkable.

    Args:
        loaded: the network, not trained by this package.
        dataset: the images to explain.
        output: what is explained; labels count only if it is a class score.
    """
    given = loaded.preprocessing or dataset.preprocessing
    is_set = loaded.preprocessing is not None or given != Preprocessing()
    if is_set or not network.rescales_bytes(loaded.model):
        return given, ""
    begins = f"{loaded.name} begins with steps that rescale pixels from [0, 255]"
    kernel = network.Kernel(loaded.model, lambda traced: traced.scores, output)
    trial = _trial(kernel, dataset.labels if output == "logit" else None)
    if trial is None:
        return BYTES, f"{begins}, so it gets these; {_KEEPS}"
    few, pixels = trial.first(MOST), np.asarray(dataset.pixels[:MOST])
    before, after = few.right(given(pixels)), few.right(BYTES(pixels))
    numbers = f"right on {after} of {len(pixels)} images with them, on {before} with [0, 1]"
    if after < before:
        return given, f"{begins}, but it is {numbers}, which it gets"
    return BYTES, f"{begins}, so it gets these ({numbers}); {_KEEPS}"
