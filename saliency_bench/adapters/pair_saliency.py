"""PAIR saliency: methods that ask for the gradients of one image at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.adapters.base import Adapter, Explain, library, named
from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class PAIRSaliency(Adapter):
    """A method of PAIR `saliency`: `GradientSaliency`, `IntegratedGradients`, `XRAI`, ...

    It asks for gradients image by image; ours are compiled.

    Attributes:
        method: name of a class of `saliency.core`.
        smooth: average it over noisy copies (`GetSmoothedMask`), by default of its squares.
        settings: of `GetMask`, such as `x_steps`, and of `GetSmoothedMask`.
        seed: of the noise.
        output: what is explained.
    """

    method: str
    smooth: bool = False
    seed: int = field(default=0, kw_only=True)

    @property
    def drawn(self) -> int | None:
        """Its seed, if there is noise."""
        return self.seed if self.smooth else None

    def explain(self, scores: Any) -> Explain:
        """Its class, and a function that gives it what it asks for."""
        core = library("saliency.core", "saliency")
        method = named(core, self.method, "saliency")()
        self._require_served()
        call = _answers(core, scores)
        run = method.GetSmoothedMask if self.smooth else method.GetMask

        def explain(images: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
            pairs = zip(images, targets, strict=True)
            return np.stack([run(image, call, int(t), **self.settings) for image, t in pairs])

        return explain

    def _require_served(self) -> None:
        if self.method == "GradCam":
            raise NotApplicable("GradCam needs a layer of the model; use GradCAM of ours")
        if self.method == "GuidedIG" and "interpolation" not in _settings_of(np.quantile):
            raise NotApplicable(
                f"GuidedIG needs a NumPy whose quantile takes interpolation=, {np.__version__} "
                "does not; use GuidedIG of ours"
            )


def _settings_of(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


def _answers(core: Any, scores: Any) -> Callable[..., dict[str, NDArray[np.float32]]]:
    """The library's `call_model_function`: what it expects to know of a batch, for one target."""
    # What `scores` returns is what is explained: there is no logit to look for behind it.
    known = {
        core.OUTPUT_LAYER_VALUES: network.target_score(scores, lambda output: output.head()),
        core.INPUT_OUTPUT_GRADIENTS: network.input_gradient(scores, lambda output: output.head()),
    }

    def call(
        batch: Any, call_model_args: Any = None, expected_keys: Any = None
    ) -> dict[str, NDArray[np.float32]]:
        rows = np.asarray(batch, np.float32)
        targets = np.full(len(rows), call_model_args)
        return {key: known[key](rows, targets) for key in expected_keys}

    return call
