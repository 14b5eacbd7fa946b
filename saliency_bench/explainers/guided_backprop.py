"""The gradient with a changed pass through ReLUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saliency_bench import network
from saliency_bench.explainers.base import Method
from saliency_bench.protocols import Bound, Output


@dataclass(frozen=True)
class GuidedBackprop(Method):
    """The gradient, with negative signals stopped at every ReLU (Springenberg et al., 2015)."""

    output: Output = "logit"

    def bind(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if a ReLU is missing or out of reach."""
        return network.input_gradient(model, self.output, rule=network.GuidedRelu())


@dataclass(frozen=True)
class Deconvnet(Method):
    """The gradient, with ReLUs applied to the signal that comes back (Zeiler & Fergus, 2014).

    A ReLU lets positive signals pass whether it was open or not.
    """

    output: Output = "logit"

    def bind(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if a ReLU is missing or out of reach."""
        return network.input_gradient(model, self.output, rule=network.DeconvRelu())
