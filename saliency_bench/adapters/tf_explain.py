"""tf-explain: the raw maps behind its pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.adapters.base import Adapter, Explain, library


@dataclass(frozen=True)
class TFExplain(Adapter):
    """A method of tf-explain that has raw maps; its own `explain` draws pictures.

    Its integrated gradients are the mean gradient on the line from black to the image, both ends
    included; they are not multiplied by the image.

    Attributes:
        method: `vanilla_gradients`, `gradients_inputs` or `integrated_gradients`.
        settings: `n_steps` for integrated gradients.
        output: what is explained.
    """

    CLASSES: ClassVar[dict[str, str]] = {
        "vanilla_gradients": "VanillaGradients",
        "gradients_inputs": "GradientsInputs",
        "integrated_gradients": "IntegratedGradients",
    }
    """The library's class for each method with raw maps."""

    STEPS: ClassVar[int] = 10
    """Default number of steps of integrated gradients."""

    method: str

    def explain(self, scores: Any) -> Explain:
        """The library's functions for raw maps, with a target for each image."""
        if self.method not in self.CLASSES:
            raise ValueError(
                f"method must be one of {', '.join(self.CLASSES)}, those that have raw maps; "
                f"got {self.method!r}"
            )
        steps = self._steps()
        module = library(f"tf_explain.core.{self.method}", "tf-explain")
        core = vars(module)[self.CLASSES[self.method]]

        def explain(images: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
            # Eagerly: its functions would be compiled anew for each model and class.
            with network.inlined():
                if steps is None:
                    return core.compute_gradients(images, _target_of(scores, targets), 0)
                along = np.asarray(core.generate_interpolations(images, steps), np.float32)
                target = _target_of(scores, np.repeat(targets, steps))
                return core.get_integrated_gradients(along, target, 0, steps)

        return explain

    def _steps(self) -> int | None:
        """Gradients per image of integrated gradients; None for the other methods.

        Raises:
            ValueError: if a setting is unknown, or the number of steps is below 2.
        """
        known = {"n_steps"} if self.method == "integrated_gradients" else set()
        if unknown := set(self.settings) - known:
            raise ValueError(
                f"settings of {self.method} must be among {sorted(known)}; got {min(unknown)!r}"
            )
        steps = int(self.settings.get("n_steps", self.STEPS))
        if steps < 2:
            raise ValueError(f"n_steps must be at least 2, both ends; got {steps}")
        return steps if known else None


def _target_of(scores: Any, targets: NDArray[np.int64]) -> Callable[[Any], Any]:
    """A model with a single class: the target of each row."""
    import tensorflow as tf

    return lambda images: tf.gather(scores(images), targets, batch_dims=1)[:, None]
