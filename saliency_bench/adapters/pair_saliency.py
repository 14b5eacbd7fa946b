"""PAIR saliency: methods that request the gradients of one image at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.adapters.base import Adapter, Explain, class_of, library
from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class PAIRSaliency(Adapter):
    """A method of PAIR `saliency`: `GradientSaliency`, `IntegratedGradients`, `XRAI`, ...

    It requests gradients image by image; our compiled gradients serve it.

    Attributes:
        method: name of a class of `saliency.core`.
        smooth: whether the map is averaged over noisy copies by `GetSmoothedMask`, which by default
            squares it.
        settings: keyword arguments of `GetMask`, such as `x_steps`, and of `GetSmoothedMask`.
        seed: of the noise.
        output: what is explained.
    """

    method: str
    smooth: bool = False
    seed: int = field(default=0, kw_only=True)

    @property
    def library_seed(self) -> int | None:
        """The seed, if there is noise."""
        return self.seed if self.smooth else None

    def explain(self, scores: Any) -> Explain:
        """The library's method, with a function that returns the gradients it requests."""
        core = library("saliency.core", "saliency")
        method = class_of(core, self.method, "saliency")()
        self._require_supported()
        call = _call_model(core, scores)
        run = method.GetSmoothedMask if self.smooth else method.GetMask

        def explain(images: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
            pairs = zip(images, targets, strict=True)
            return np.stack([run(image, call, int(t), **self.settings) for image, t in pairs])

        return explain

    def _require_supported(self) -> None:
        if self.method == "GradCam":
            raise NotApplicable("GradCam needs a layer of the model; use explainers.GradCAM")
        if self.method == "GuidedIG" and "interpolation" not in _parameters(np.quantile):
            raise NotApplicable(
                f"GuidedIG needs a NumPy with quantile(interpolation=...); got {np.__version__}; "
                "use explainers.GuidedIG"
            )


def _parameters(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


def _call_model(core: Any, scores: Any) -> Callable[..., dict[str, NDArray[np.float32]]]:
    """The library's `call_model_function`: the values it requests for a batch and one target."""
    # `scores` returns the explained output itself: there is no softmax to look behind.
    kernels = {
        core.OUTPUT_LAYER_VALUES: network.target_score(scores, lambda output: output.head()),
        core.INPUT_OUTPUT_GRADIENTS: network.input_gradient(scores, lambda output: output.head()),
    }

    def call(
        batch: Any, call_model_args: Any = None, expected_keys: Any = None
    ) -> dict[str, NDArray[np.float32]]:
        rows = np.asarray(batch, np.float32)
        targets = np.full(len(rows), call_model_args)
        return {key: kernels[key](rows, targets) for key in expected_keys}

    return call
