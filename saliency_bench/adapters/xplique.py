"""Xplique: explainers made for one Keras model, called with one-hot targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from saliency_bench import network
from saliency_bench.adapters.base import Adapter, Explain, class_of, library
from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class Xplique(Adapter):
    """A method of Xplique: `Saliency`, `GradientInput`, `IntegratedGradients`, `Rise`, ...

    The model that it receives ends in the logit and reads the current weights. Xplique's own
    `output_layer` is ignored by its gradient methods.

    Attributes:
        method: name of a class of `xplique.attributions`.
        settings: keyword arguments of its constructor; `reducer=None` keeps the channels of
            gradient methods.
        seed: of its random numbers.
        output: what is explained.
    """

    WHOLE_MODEL: ClassVar[frozenset[str]] = frozenset(
        {"DeconvNet", "FEM", "GradCAM", "GradCAMPP", "GuidedBackprop"}
    )
    """Methods that need single layers, which a model that ends in logits hides."""

    RANDOM: ClassVar[frozenset[str]] = frozenset(
        {"KernelShap", "Lime", "Rise", "SmoothGrad", "SquareGrad", "VarGrad"}
    )
    """Methods that draw from TensorFlow's global random state."""

    method: str
    seed: int = field(default=0, kw_only=True)

    @property
    def library_seed(self) -> int | None:
        """The seed, if the method draws random numbers."""
        return self.seed if self.method in self.RANDOM else None

    @property
    def axioms(self) -> frozenset[str]:  # type: ignore[override]
        """As other adapters; its RISE is a mean of scores, which shifts with the logit."""
        return Adapter.axioms - ({"shift_invariance"} if self.method == "Rise" else set())

    def explain(self, scores: Any) -> Explain:
        """The library's explainer, with one-hot targets."""
        self._require_supported(scores.input_shape[-1])
        attributions = library("xplique.attributions", "xplique")
        method = class_of(attributions, self.method, "xplique")
        explainer = method(scores, **{"batch_size": network.rows_at_once(), **self.settings})
        # Its cache would keep every model in memory.
        cache = getattr(method, "_cache_models", {})
        cache.pop((id(scores.inputs), id(scores.outputs)), None)
        classes = np.eye(scores.output_shape[-1], dtype=np.float32)
        return lambda images, targets: np.asarray(explainer.explain(images, classes[targets]))

    def _require_supported(self, channels: int) -> None:
        if self.method in self.WHOLE_MODEL:
            raise NotApplicable(
                f"Xplique's {self.method} needs the layers of the model; use the one of explainers"
            )
        if self.method in {"KernelShap", "Lime"} and channels not in (1, 3):
            raise NotApplicable(
                f"Xplique's {self.method} segments images of 1 or 3 channels; got {channels}"
            )
        if self.method == "HsicAttributionMethod" and "sampler" not in self.settings:
            raise NotApplicable(
                "Xplique's HsicAttributionMethod draws masks that no seed repeats; "
                "use explainers.HSIC, or name a sampler in its settings"
            )
