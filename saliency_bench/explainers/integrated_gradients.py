"""Integrated gradients along a straight line from a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Compiled, as_tuples, fit_baseline
from saliency_bench.protocols import Bound, Floats, Ints, Output

Rule = Literal["midpoint", "left", "right", "trapezoid"]


@dataclass(frozen=True)
class IntegratedGradients(Compiled):
    """Mean gradient between a baseline and the image, times their difference.

    (Sundararajan et al., 2017.) With `multiply_by_inputs` the map sums to the difference of the
    output between image and baseline, up to the error of the rule.

    Attributes:
        steps: gradients per image.
        baseline: where the line starts, model units (0 is grey for a [-1, 1] input): a number, one
            per channel, or a whole image `[H, W, C]`; stored as nested tuples.
        rule: the point of each of the `steps` pieces at which the gradient is taken.
        multiply_by_inputs: False returns the mean gradient alone (Kokhlikyan et al., 2021).
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("sundararajan2017",)

    steps: int = 50
    baseline: ArrayLike = 0.0
    rule: Rule = "midpoint"
    multiply_by_inputs: bool = True
    output: Output = "logit"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        if self.rule not in get_args(Rule):
            raise ValueError(f"rule must be one of {', '.join(get_args(Rule))}; got {self.rule!r}")
        # Tuples compare, hash and print by content, as keys of stored results must.
        object.__setattr__(self, "baseline", as_tuples(self.baseline))

    @property
    def multiplies_input(self) -> bool:  # type: ignore[override]
        """As `multiply_by_inputs` says."""
        return self.multiply_by_inputs

    @property
    def axioms(self) -> frozenset[str]:  # type: ignore[override]
        """With completeness if the map is multiplied by the inputs."""
        complete = {"completeness"} if self.multiply_by_inputs else set()
        return USUAL | {"linearity"} | complete

    def reference(self, images: Floats) -> Floats:
        """The baseline, once per image."""
        return np.broadcast_to(fit_baseline(self.baseline, images.shape[1:]), images.shape)

    def path(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Positions on the line, 0 the baseline and 1 the image, and their weights (sum 1)."""
        n = self.steps
        if self.rule == "trapezoid":
            weights = np.ones(n + 1)
            weights[[0, -1]] = 0.5
            return np.linspace(0, 1, n + 1, dtype=np.float32), weights / n
        shift = {"left": 0.0, "midpoint": 0.5, "right": 1.0}[self.rule]
        return ((np.arange(n) + shift) / n).astype(np.float32), np.full(n, 1 / n)

    def compile(self, model: Any) -> Bound:
        """Compile for `model`.

        Raises:
            ValueError: if the baseline does not fit its images.
        """

        def along(images: Any, places: Any) -> Any:
            start = fit_baseline(self.baseline, tuple(images.shape[1:]))
            return start + places[:, None, None, None] * (images - start)

        gradients = network.Samples(network.input_gradient(model, self.output), along, ranks=(0,))
        places, weights = self.path()

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = np.zeros(images.shape)
            for batch in network.pairs(len(images), len(places), gradients.batch):
                own = batch.sample
                maps[batch.images] += gradients.sums(
                    images, targets, batch, places[own], weights=weights[own]
                )
            if self.multiply_by_inputs:
                maps *= np.asarray(images, np.float32) - fit_baseline(
                    self.baseline, images.shape[1:]
                )
            return maps.astype(np.float32)

        return explain
