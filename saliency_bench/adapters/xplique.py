"""Xplique: explainers made for one Keras model, called with one-hot targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from saliency_bench import network
from saliency_bench.adapters.base import Adapter, Explain, library, named
from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class Xplique(Adapter):
    """A method of Xplique: `Saliency`, `GradientInput`, `IntegratedGradients`, `Rise`, ...

    Its `output_layer` is ignored by gradient methods and its metrics swap models under traced
    graphs; here the model ends in the logit and reads the live weights.

    Attributes:
        method: name of a class of `xplique.attributions`.
        settings: of its constructor; `reducer=None` keeps the channels of gradient methods.
        seed: of what it draws.
        output: what is explained.
    """

    WHOLE_MODEL: ClassVar[frozenset[str]] = frozenset(
        {"DeconvNet", "FEM", "GradCAM", "GradCAMPP", "GuidedBackprop"}
    )
    """Methods that change or ask single layers, which a model that ends in scores hides."""

    RANDOM: ClassVar[frozenset[str]] = frozenset(
        {"KernelShap", "Lime", "Rise", "SmoothGrad", "SquareGrad", "VarGrad"}
    )
    """Methods that draw from TensorFlow's global random state."""

    method: str
    seed: int = field(default=0, kw_only=True)

    @property
    def drawn(self) -> int | None:
        """Its seed, if it draws."""
        return self.seed if self.method in self.RANDOM else None

    @property
    def axioms(self) -> frozenset[str]:  # type: ignore[override]
        """Its RISE is a mean of scores, not of differences."""
        return Adapter.axioms - ({"shift_invariance"} if self.method == "Rise" else set())

    def explain(self, scores: Any) -> Explain:
        """Its explainer; targets are one-hot, as it wants them."""
        self._require_served(scores.input_shape[-1])
        attributions = library("xplique.attributions", "xplique")
        made = named(attributions, self.method, "xplique")
        explainer = made(scores, **{"batch_size": network.rows_at_once(), **self.settings})
        # It would keep every model it ever saw.
        kept = getattr(made, "_cache_models", {})
        kept.pop((id(scores.inputs), id(scores.outputs)), None)
        classes = np.eye(scores.output_shape[-1], dtype=np.float32)
        return lambda images, targets: np.asarray(explainer.explain(images, classes[targets]))

    def _require_served(self, channels: int) -> None:
        if self.method in self.WHOLE_MODEL:
            raise NotApplicable(f"Xplique's {self.method} needs the layers of the model; use ours")
        if self.method in {"KernelShap", "Lime"} and channels not in (1, 3):
            raise NotApplicable(
                f"Xplique's {self.method} cuts up images of 1 or 3 channels, not of {channels}"
            )
        if self.method == "HsicAttributionMethod" and "sampler" not in self.settings:
            raise NotApplicable(
                "Xplique's HsicAttributionMethod draws masks that no seed repeats; "
                "use HSIC of ours, or name a sampler in its settings"
            )
