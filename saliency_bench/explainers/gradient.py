"""The gradient of the explained output, alone and times the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Compiled
from saliency_bench.explainers.handing_back import handing_back
from saliency_bench.protocols import Bound, Floats, Ints, Output


@dataclass(frozen=True)
class Gradient(Compiled):
    """Derivative of the target's score with respect to each input value (Simonyan et al., 2014)."""

    papers: ClassVar[tuple[str, ...]] = ("simonyan2014",)
    axioms: ClassVar[frozenset[str]] = USUAL | {"linearity"}

    output: Output = "logit"

    def compile(self, model: Any) -> Bound:
        """Compile for `model`."""
        return network.input_gradient(model, self.output)

    def handing_back(self, model: Any) -> Bound:
        """Noise at the scores, handed back as gradients are."""
        return handing_back(model, self.output)


@dataclass(frozen=True)
class GradientInput(Compiled):
    """The gradient times the input (Shrikumar et al., 2016)."""

    papers: ClassVar[tuple[str, ...]] = ("shrikumar2016",)
    multiplies_input: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = USUAL | {"linearity"}

    output: Output = "logit"

    def compile(self, model: Any) -> Bound:
        """Compile for `model`."""
        kernel = network.input_gradient(model, self.output)

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            return kernel(images, targets) * np.asarray(images, np.float32)

        return explain
