"""Explainers with faults, each under the name of the one that it should have been."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from saliency_bench import explainers


class Softmax(explainers.Gradient):
    """Explains the probability of a class where its logit is meant."""

    def bind(self, model: Any) -> Any:
        """Of the same network, with the softmax that it does without behind it."""
        images = keras.Input(model.input_shape[1:])
        ended = keras.Model(images, keras.layers.Softmax()(model(images)))
        return explainers.Gradient(output="probability").bind(ended)


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
