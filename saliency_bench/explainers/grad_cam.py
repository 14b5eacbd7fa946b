"""Gradient-weighted class activation maps, alone and times guided backpropagation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Method, Upsample, require_upsample
from saliency_bench.protocols import Bound, Floats, Ints, Output

TINY = 1e-20
"""Maps whose largest value is below lose their small ones in float32."""


def _weighted_features(relu: bool) -> Callable[[Any, Any], Any]:
    def combine(features: Any, gradients: Any) -> Any:
        import tensorflow as tf

        weights = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
        maps = tf.reduce_sum(weights * features, axis=-1, keepdims=True)
        return tf.nn.relu(maps) if relu else maps

    return combine


@dataclass(frozen=True)
class GradCAM(Method):
    """Feature maps weighted by their mean gradient (Selvaraju et al., 2017).

    Attributes:
        layer: name of the layer whose output is explained; default: the last feature map larger
            than 1x1, in execution order, at any nesting depth.
        relu: keep the positive part only, as the paper does.
        upsample: how the map is brought to the size of the image; None keeps its own.
        output: what is explained.
    """

    layer: str | None = None
    relu: bool = True
    upsample: Upsample | None = "bilinear"
    output: Output = "logit"

    def __post_init__(self) -> None:
        require_upsample(self.upsample)

    @property
    def signed(self) -> bool:  # type: ignore[override]
        """Without the ReLU only."""
        return not self.relu

    def bind(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if it has no feature map."""
        return network.feature_gradient(
            model, _weighted_features(self.relu), self.layer, self.output, upsample=self.upsample
        )


@dataclass(frozen=True)
class GuidedGradCAM(Method):
    """Guided backpropagation times the upsampled GradCAM (Selvaraju et al., 2017).

    A map too small for float32 is returned in units of its largest absolute value: after a
    BatchNorm reset the product of two tiny maps would be 0.
    """

    layer: str | None = None
    output: Output = "logit"

    def bind(self, model: Any) -> Bound:
        """Compile both parts for `model`; `NotApplicable` if one of them is."""
        guided = network.input_gradient(model, self.output, rule=network.GuidedRelu())
        cam = GradCAM(layer=self.layer, output=self.output).bind(model)

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            product = np.float64(guided(images, targets)) * cam(images, targets)
            peak = np.abs(product).max(axis=(1, 2, 3), keepdims=True)
            unit = np.where((peak > 0) & (peak < TINY), peak, 1.0)
            return np.asarray(product / unit, np.float32)

        return bound
