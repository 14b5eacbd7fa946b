"""Methods that show and hide superpixels: LIME and KernelSHAP."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.explainers.base import USUAL
from saliency_bench.explainers.masking import Masking, Probe, require
from saliency_bench.network.segmentation import superpixels
from saliency_bench.protocols import Floats
from saliency_bench.randomize import stream

DRAWS = 64
"""Coalitions drawn at once, for speed. Another number would draw other coalitions."""


@dataclass(frozen=True)
class _Superpixels(Masking):
    """A linear model of the score, fitted to images with hidden superpixels.

    Attributes:
        segments: approximate number of superpixels.
        samples: masked images per image.
        seed: of the masks.
        fill: value of hidden pixels, model units.
        output: what is explained.
    """

    segments: int = 50
    samples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require("segments", self.segments, 1)
        require("samples", self.samples, 1)


class _Fit(Probe):
    """Weighted sums for a linear fit; their size does not grow with the samples.

    Args:
        labels: `[H, W]` the superpixel of each pixel.
        count: number of masks.
    """

    def __init__(self, labels: NDArray[np.int64], count: int) -> None:
        self.labels, self.count = labels, count
        self.segments = int(labels.max()) + 1
        self.products = np.zeros((self.segments + 1, self.segments + 1))
        self.answers = np.zeros(self.segments + 1)
        self._shown = np.zeros((0, self.segments))

    @abstractmethod
    def draw(self, start: int, stop: int) -> Floats:
        """Which superpixels are shown: `[stop - start, segments]` of 0 and 1."""

    @abstractmethod
    def weights(self, start: int, shown: Floats) -> Floats:
        """Weights `[M]` in the fit of images with the superpixels `shown` `[M, segments]`."""

    def masks(self, start: int, stop: int) -> NDArray[np.float32]:
        """Masks that show and hide whole superpixels."""
        self._shown = np.asarray(self.draw(start, stop), np.float64)
        return np.asarray(self._shown[:, self.labels], np.float32)

    def add(self, start: int, masks: Floats, scores: Floats) -> None:
        """Add to the sums of a weighted least-squares fit with an intercept."""
        weights = self.weights(start, self._shown)
        columns = np.column_stack([np.ones(len(scores)), self._shown])
        self.products += (columns * weights[:, None]).T @ columns
        self.answers += (columns * weights[:, None]).T @ np.asarray(scores, np.float64)


@dataclass(frozen=True)
class LIME(_Superpixels):
    """Coefficients of a local linear model of superpixels (Ribeiro et al., 2016).

    Half of the superpixels are hidden at random. An image has the weight
    `sqrt(exp(-d^2 / width^2))`, with the cosine distance d to the whole image; the root is that of
    the authors' code. A superpixel's coefficient is repeated over its pixels.

    Attributes:
        segments: approximate number of superpixels.
        samples: masked images per image.
        seed: of the masks.
        fill: value of hidden pixels, model units.
        output: what is explained.
        width: width of that kernel, in units of d.
        ridge: factor of the squared coefficients that are added to the loss.
    """

    papers: ClassVar[tuple[str, ...]] = ("ribeiro2016",)
    axioms: ClassVar[frozenset[str]] = USUAL - {"confinement"} | {"linearity"}

    width: float = 0.25
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width <= 0:
            raise ValueError(f"width must be above 0; got {self.width}")
        require("ridge", self.ridge, 0)

    def probe(self, image: NDArray[np.float32], key: int) -> Probe:
        """Masks that show a random half of the superpixels."""
        return _Lime(self, superpixels(image, self.segments), stream("lime", self.seed, key))


class _Lime(_Fit):
    def __init__(self, lime: LIME, labels: NDArray[np.int64], random: np.random.Generator) -> None:
        super().__init__(labels, lime.samples)
        self._lime, self._random = lime, random

    def draw(self, start: int, stop: int) -> Floats:
        """Each superpixel is shown with probability one half; the first mask shows all."""
        draws = self._random.random((stop - start, self.segments), dtype=np.float32)
        shown = (draws < 0.5).astype(np.float64)
        if start == 0:
            shown[0] = 1
        return shown

    def weights(self, start: int, shown: Floats) -> Floats:
        """From the cosine distance to the mask that shows all."""
        distances = 1 - np.sqrt(shown.mean(axis=1))
        return np.asarray(np.sqrt(np.exp(-((distances / self._lime.width) ** 2))))

    def map(self) -> Floats:
        """The coefficients; the intercept is not penalised."""
        penalty = self._lime.ridge * np.diag([0.0, *np.ones(self.segments)])
        solution, *_ = np.linalg.lstsq(self.products + penalty, self.answers, rcond=None)
        return np.asarray(solution[1:][self.labels])


@dataclass(frozen=True)
class KernelSHAP(_Superpixels):
    """Shapley values of superpixels, fitted with the Shapley kernel (Lundberg & Lee, 2017).

    They sum exactly to the difference of the output between the image and the fill. If there are no
    more coalitions than samples, all are evaluated and the values are exact. Otherwise coalitions
    are drawn with probabilities from the kernel, each with its complement. A superpixel's value is
    divided among its pixels, so the map has the same sum.

    Attributes:
        segments: approximate number of superpixels.
        samples: masked images per image, not counting the image itself and the fill.
        seed: of the masks.
        fill: value of hidden pixels, model units.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("lundberg2017",)

    # Not `noise`: with few superpixels all coalitions are evaluated, and keys have no effect.
    axioms: ClassVar[frozenset[str]] = USUAL - {"noise", "confinement"} | {
        "linearity",
        "completeness",
    }

    def probe(self, image: NDArray[np.float32], key: int) -> Probe:
        """All coalitions of the superpixels, or random ones."""
        labels = superpixels(image, self.segments)
        return _Shapley(labels, self.samples, stream("kernel_shap", self.seed, key))

    def reference(self, images: Floats) -> Floats:
        """The fill, once per image."""
        return np.full_like(images, self.fill)


class _Shapley(_Fit):
    def __init__(
        self, labels: NDArray[np.int64], samples: int, random: np.random.Generator
    ) -> None:
        segments = int(labels.max()) + 1
        self._every = 2**segments - 2 <= samples
        super().__init__(labels, 2 + (2**segments - 2 if self._every else samples))
        self._random = random
        self._coalitions = _coalitions(segments) if self._every else self._random_coalitions()
        self._ends = np.zeros(2)

    def draw(self, start: int, stop: int) -> Floats:
        """First no superpixel and all superpixels, then coalitions."""
        ends = [np.full(self.segments, float(i)) for i in range(2) if start <= i < stop]
        return np.array([*ends, *(next(self._coalitions) for _ in range(stop - start - len(ends)))])

    def weights(self, start: int, shown: Floats) -> Floats:
        """From the Shapley kernel if all coalitions are evaluated; equal if it drew them."""
        if not self._every:
            return np.ones(len(shown))
        sizes = shown.sum(axis=1).astype(int)
        return np.array([_kernel(self.segments, size) for size in sizes])

    def add(self, start: int, masks: Floats, scores: Floats) -> None:
        """Add scores; those of no and of all superpixels are constraints, not parts of the fit."""
        ends = max(0, min(2 - start, len(scores)))
        self._ends[start : start + ends] = scores[:ends]
        self._shown = self._shown[ends:]
        super().add(start + ends, masks[ends:], scores[ends:])

    def map(self) -> Floats:
        """The best fit among values with the right sum, divided among each superpixel's pixels."""
        none, every = self._ends
        products = self.products[1:, 1:]
        answers = self.answers[1:] - none * self.products[1:, 0]
        # Least squares under one linear constraint, with a Lagrange multiplier.
        edge = np.ones((self.segments, 1))
        system = np.block([[products, edge], [edge.T, np.zeros((1, 1))]])
        solution, *_ = np.linalg.lstsq(system, np.append(answers, every - none), rcond=None)
        sizes = np.bincount(self.labels.ravel())
        return np.asarray((solution[:-1] / sizes)[self.labels])

    def _random_coalitions(self) -> Iterator[Floats]:
        """Random coalitions, with sizes drawn by total weight, each followed by its complement."""
        sizes = np.arange(1, self.segments)
        chances = 1 / (sizes * (self.segments - sizes))
        chances /= chances.sum()
        while True:
            counts = self._random.choice(sizes, DRAWS, p=chances)
            draws = self._random.random((DRAWS, self.segments))
            # A coalition holds the segments with the smallest draws.
            ranks = draws.argsort(axis=1).argsort(axis=1)
            for shown in (ranks < counts[:, None]).astype(np.float64):
                yield shown
                yield 1 - shown


def _coalitions(segments: int) -> Iterator[Floats]:
    for size in range(1, segments):
        for members in combinations(range(segments), size):
            shown = np.zeros(segments)
            shown[list(members)] = 1
            yield shown


def _kernel(segments: int, size: int) -> float:
    return (segments - 1) / (comb(segments, size) * size * (segments - size))
