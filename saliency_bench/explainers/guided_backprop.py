"""Gradients with a changed backward pass through ReLUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from saliency_bench import network
from saliency_bench.explainers.base import Compiled
from saliency_bench.explainers.handing_back import handing_back
from saliency_bench.protocols import Bound, Output


@dataclass(frozen=True)
class GuidedBackprop(Compiled):
    """The gradient, with negative signals set to 0 at every ReLU (Springenberg et al., 2015)."""

    papers: ClassVar[tuple[str, ...]] = ("springenberg2015",)

    output: Output = "logit"

    def compile(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if it has no ReLU or one that cannot be changed."""
        return network.input_gradient(model, self.output, rule=network.GuidedRelu())

    def handing_back(self, model: Any) -> Bound:
        """Noise at the scores, handed back by the rule at ReLUs."""
        return handing_back(model, self.output, network.GuidedRelu())


@dataclass(frozen=True)
class Deconvnet(Compiled):
    """The gradient, with ReLUs applied to the backward signal (Zeiler & Fergus, 2014).

    Positive signals pass a ReLU whether its input was positive or not.
    """

    papers: ClassVar[tuple[str, ...]] = ("zeiler2014",)

    output: Output = "logit"

    def compile(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if it has no ReLU or one that cannot be changed."""
        return network.input_gradient(model, self.output, rule=network.DeconvRelu())

    def handing_back(self, model: Any) -> Bound:
        """Noise at the scores, handed back by the rule at ReLUs."""
        return handing_back(model, self.output, network.DeconvRelu())
