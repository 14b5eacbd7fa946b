"""Class activation maps that weigh a layer's feature maps by gradients."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import TINY, Compiled, Upsample, as_grid, require_upsample
from saliency_bench.protocols import Bound, Floats, Ints, Output


@dataclass(frozen=True)
class _FeatureGradients(Compiled):
    """A sum over feature maps, weighted by gradients; a subclass says how they are weighted.

    Settings as `GradCAM`'s.
    """

    layer: str | None = None
    relu: bool = True
    upsample: Upsample | None = "bilinear"
    output: Output = "logit"
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        require_upsample(self.upsample)
        object.__setattr__(self, "grid", as_grid(self.grid))

    @property
    def signed(self) -> bool:  # type: ignore[override]
        """Only without the ReLU."""
        return not self.relu

    @abstractmethod
    def weigh(self, features: Any, gradients: Any) -> Any:
        """Weigh features by gradients, in a graph; the map is the sum over channels.

        Args:
            features: `[N, h, w, K]`, the layer's output.
            gradients: `[N, h, w, K]`, of the target's score by the features.

        Returns:
            `[N, h, w, K]`.
        """

    def compile(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if it has no feature map."""
        return network.feature_gradient(
            model,
            self._combine,
            self.layer,
            self.output,
            upsample=self.upsample,
            grid=self.grid,
        )

    def _combine(self, features: Any, gradients: Any) -> Any:
        import tensorflow as tf

        maps = tf.reduce_sum(self.weigh(features, gradients), axis=-1, keepdims=True)
        return tf.nn.relu(maps) if self.relu else maps


@dataclass(frozen=True)
class GradCAM(_FeatureGradients):
    """Feature maps weighted by their mean gradient (Selvaraju et al., 2017).

    Attributes:
        layer: name of the layer whose output is explained, at any depth; default: the last tensor
            with more than one place that every way from the images to the scores passes.
        relu: whether negative values of the map become 0, as in the paper.
        upsample: interpolation to the size of the image; None keeps the layer's size.
        output: what is explained.
        grid: rows and columns of the layer's tokens `[N, T, D]`, where the graph does not tell.
            What is over are special tokens in front, such as a class token. None: the graph tells.
    """

    papers: ClassVar[tuple[str, ...]] = ("selvaraju2017",)

    def weigh(self, features: Any, gradients: Any) -> Any:
        """`mean(g) A`, with the mean over all positions."""
        import tensorflow as tf

        return tf.reduce_mean(gradients, axis=[1, 2], keepdims=True) * features


@dataclass(frozen=True)
class GuidedGradCAM(Compiled):
    """Guided backpropagation times the upsampled GradCAM (Selvaraju et al., 2017).

    A map too small for float32 is divided by its largest absolute value: after a reset of BatchNorm
    the product of two tiny maps would otherwise be 0.

    Attributes:
        layer: as in `GradCAM`.
        output: what is explained.
        grid: as in `GradCAM`.
    """

    papers: ClassVar[tuple[str, ...]] = ("selvaraju2017",)

    layer: str | None = None
    output: Output = "logit"
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", as_grid(self.grid))

    def compile(self, model: Any) -> Bound:
        """Compile both parts for `model`; `NotApplicable` if one of them cannot serve it."""
        guided = network.input_gradient(model, self.output, rule=network.GuidedRelu())
        cam = GradCAM(layer=self.layer, output=self.output, grid=self.grid).bind(model)

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            product = np.float64(guided(images, targets)) * cam(images, targets)
            peak = np.abs(product).max(axis=(1, 2, 3), keepdims=True)
            unit = np.where((peak > 0) & (peak < TINY), peak, 1.0)
            return np.asarray(product / unit, np.float32)

        return explain


@dataclass(frozen=True)
class GradCAMPlusPlus(_FeatureGradients):
    """Feature maps weighted by their positive gradients (Chattopadhay et al., 2018).

    Channel k with the gradient g has the weight `w_k = sum_ij alpha_ij ReLU(g_ij)`, where `alpha_ij
    = g_ij^2 / (2 g_ij^2 + sum(A_k) g_ij^3)`, with the sum over all positions, as in the paper. The
    common factor exp(score) is left out: it only scales the map, and it overflows. The paper
    assumes A >= 0; for negative A alpha has a pole. Settings as `GradCAM`'s.
    """

    papers: ClassVar[tuple[str, ...]] = ("chattopadhay2018",)

    def weigh(self, features: Any, gradients: Any) -> Any:
        """`w_k A_k`."""
        import tensorflow as tf

        sums = tf.reduce_sum(features, axis=[1, 2], keepdims=True)
        # The fraction is reduced by g^2, which underflows to 0 in float32 after a BatchNorm reset.
        shares = tf.nn.relu(gradients) / (2 + sums * gradients)
        return tf.reduce_sum(shares, axis=[1, 2], keepdims=True) * features


@dataclass(frozen=True)
class LayerCAM(_FeatureGradients):
    """Feature maps weighted at each position by their positive gradient (Jiang et al., 2021).

    Settings as `GradCAM`'s.
    """

    papers: ClassVar[tuple[str, ...]] = ("jiang2021",)

    def weigh(self, features: Any, gradients: Any) -> Any:
        """`ReLU(g) A`."""
        import tensorflow as tf

        return tf.nn.relu(gradients) * features


@dataclass(frozen=True)
class HiResCAM(_FeatureGradients):
    """Feature maps weighted at each position by their gradient (Draelos & Carin, 2020).

    As in the paper the map has no ReLU: in front of a single dense layer it sums to the logit
    without its bias. Settings as `GradCAM`'s.
    """

    papers: ClassVar[tuple[str, ...]] = ("draelos2020",)

    relu: bool = False

    def weigh(self, features: Any, gradients: Any) -> Any:
        """`g A`."""
        return gradients * features
