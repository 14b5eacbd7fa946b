"""Integrated gradients along a straight line from a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Method, pairs
from saliency_bench.protocols import Bound, Floats, Ints, Output

Rule = Literal["midpoint", "left", "right", "trapezoid"]


@dataclass(frozen=True)
class IntegratedGradients(Method):
    """Mean gradient between a baseline and the image, times their difference.

    (Sundararajan et al., 2017.) With `multiply_by_inputs` the map sums to the difference of the
    output between image and baseline, up to the error of the rule.

    Attributes:
        steps: gradients per image.
        baseline: value of every input at the start, model units (0 is grey for a [-1, 1] input).
        rule: where on each of the `steps` pieces the gradient is taken.
        multiply_by_inputs: False gives the mean gradient alone (Kokhlikyan et al., 2021).
        output: what is explained.
    """

    steps: int = 50
    baseline: float = 0.0
    rule: Rule = "midpoint"
    multiply_by_inputs: bool = True
    output: Output = "logit"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        if self.rule not in get_args(Rule):
            raise ValueError(f"rule must be one of {', '.join(get_args(Rule))}; got {self.rule!r}")

    @property
    def multiplies_input(self) -> bool:  # type: ignore[override]
        """Unless told otherwise."""
        return self.multiply_by_inputs

    def path(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Places on the line, 0 the baseline and 1 the image, and their weights (sum 1)."""
        n = self.steps
        if self.rule == "trapezoid":
            weights = np.ones(n + 1)
            weights[[0, -1]] = 0.5
            return np.linspace(0, 1, n + 1, dtype=np.float32), weights / n
        shift = {"left": 0.0, "midpoint": 0.5, "right": 1.0}[self.rule]
        return ((np.arange(n) + shift) / n).astype(np.float32), np.full(n, 1 / n)

    def bind(self, model: Any) -> Bound:
        """Compile for `model`."""
        kernel = network.input_gradient(model, self.output)
        places, weights = self.path()
        shares = weights.astype(np.float32)
        baseline = np.float32(self.baseline)

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            offsets = np.asarray(images, np.float32) - baseline
            totals = np.zeros(images.shape)
            for batch in pairs(len(images), len(places), kernel.batch):
                along = np.take(offsets, batch.image, axis=0)
                along *= places[batch.sample].reshape(-1, 1, 1, 1)
                along += baseline
                gradients = kernel(along, targets[batch.image])
                gradients *= shares[batch.sample].reshape(-1, 1, 1, 1)
                batch.add_to(totals, gradients)
            maps = totals * offsets if self.multiply_by_inputs else totals
            return maps.astype(np.float32)

        return bound
