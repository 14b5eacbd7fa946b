"""Integrated gradients along a path that the gradients choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Compiled
from saliency_bench.protocols import Bound, Floats, Ints, Output


@dataclass(frozen=True)
class GuidedIG(Compiled):
    """Gradients times the steps of a path that moves the inputs of small gradient first.

    (Kapishnikov et al., 2021.) The path leads from the baseline to the image. Every step covers the
    same part of their whole distance (the sum of absolute differences), by moving the inputs with
    the smallest gradient that have not arrived. A step counts with the mean gradient of its two
    ends, so the map sums to the difference of the output between image and baseline, up to the
    error of this rule. The error is larger than on a straight line, since the path seeks the kinks
    of the network: on a ResNet-20 a median of 1 % on the line, 8 % with `max_distance` 0.02, 40 %
    with 1.

    Attributes:
        steps: gradients per image, beside one at the baseline.
        fraction: share of the inputs that move together, among those that differ from the baseline.
        max_distance: how far an input may be ahead of the straight line or behind it, as a share
            of its own distance: 0 is the straight line, 0.02 the default of the authors' code
            (there with 200 steps), and 1 sets no limit.
        baseline: value of every input at the start, model units.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("kapishnikov2021",)
    multiplies_input: ClassVar[bool] = True

    steps: int = 50
    fraction: float = 0.25
    max_distance: float = 0.02
    baseline: float = 0.0
    output: Output = "logit"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be in (0, 1]; got {self.fraction}")
        if not 0 <= self.max_distance <= 1:
            raise ValueError(f"max_distance must be in [0, 1]; got {self.max_distance}")
        if not np.isfinite(self.baseline):
            raise ValueError(f"baseline must be finite; got {self.baseline}")

    def compile(self, model: Any) -> Bound:
        """Compile for `model`."""
        kernel = network.input_gradient(model, self.output)

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images = np.asarray(images, np.float32)
            maps = np.empty(images.shape, np.float32)
            for start in range(0, len(images), kernel.batch):
                rows = slice(start, start + kernel.batch)
                maps[rows] = self._explain_batch(kernel, images[rows], targets[rows])
            return maps

        return explain

    def _explain_batch(
        self, kernel: network.Kernel, images: Floats, targets: Ints
    ) -> NDArray[np.float64]:
        """Maps of a batch of images, which take their steps together."""
        ways = (images - np.float32(self.baseline)).reshape(len(images), -1)

        def gradients_at(done: Floats) -> Floats:
            here = np.float32(self.baseline) + done * ways
            return kernel(here.reshape(images.shape), targets).reshape(ways.shape)

        sums, done = np.zeros(ways.shape), np.zeros_like(ways)
        gradients = gradients_at(done)
        for step in range(1, self.steps + 1):
            rows = zip(done, gradients, ways, strict=True)
            moved = np.stack([self._move(*row, step) for row in rows])
            after = gradients_at(moved)
            # Image by image, so that the arrays fit into the processor's cache.
            for total, *ends in zip(sums, gradients, after, done, moved, strict=True):
                total += (ends[0] + ends[1]) * (ends[3] - ends[2])
            gradients, done = after, moved
        return (sums * ways / 2).reshape(images.shape)

    def _move(self, done: Floats, gradient: Floats, way: Floats, step: int) -> Floats:
        """The share of its distance that each input of an image has covered after a step.

        Args:
            done: `[F]` the shares before the step, in [0, 1].
            gradient: `[F]` at the present point.
            way: `[F]` image minus baseline.
            step: number of the step, from 1.
        """
        if step == self.steps:
            return np.ones_like(done)  # rounding must leave no rest
        part, distance = step / self.steps, np.abs(way)
        most = np.float32(min(part + self.max_distance, 1))
        done = np.maximum(done, np.float32(max(part - self.max_distance, 0)))
        due = distance @ (np.float32(part) - done)
        waiting = np.flatnonzero((done < most) & (distance > 0))
        sizes = np.abs(gradient[waiting])
        together = 1 + int(self.fraction * (np.count_nonzero(distance) - 1))
        while due > 0 and waiting.size:
            rank = min(together, waiting.size) - 1
            limit = np.partition(sizes, rank)[rank]
            first = waiting[np.flatnonzero(sizes <= limit)]
            room = distance[first] @ (most - done[first])
            if due < room:
                done[first] += due / room * (most - done[first])
                return done
            done[first], due = most, due - room
            later = np.flatnonzero(sizes > limit)
            waiting, sizes = waiting[later], sizes[later]
        return done
