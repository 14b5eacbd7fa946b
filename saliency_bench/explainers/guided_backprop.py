"""Guided backpropagation."""

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
        return network.input_gradient(model, self.output, rule=network.guided_relu)
