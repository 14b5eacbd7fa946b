"""Explainers with faults, each under the name of the one that it should have been."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from saliency_bench import explainers


class StaleGraph(explainers.Gradient):
    """Keeps explaining the weights that it was bound to."""

    def bind(self, model: Any) -> Any:
        """Of a copy, which nobody redraws."""
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        return super().bind(copy)


class SignLost(explainers.Gradient):
    """Hands back magnitudes."""

    def bind(self, model: Any) -> Any:
        """The same, without signs."""
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: np.abs(bound(images, targets, keys=keys))
