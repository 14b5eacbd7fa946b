"""Class activation maps: what a layer's feature maps say, weighted and added up."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Method, Upsample, require_upsample
from saliency_bench.protocols import Bound, Floats, Ints, Output


@dataclass(frozen=True)
class _FeatureGradients(Method):
    """Feature maps weighted by something made of the target's gradient.

    Attributes:
        layer: name of the layer whose output is explained; default: the last feature map larger
            than 1x1, in execution order, at any nesting depth.
        relu: keep the positive part of the map only.
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

    @abstractmethod
    def weighted(self, features: Any, gradients: Any) -> Any:
        """Both `[N, h, w, K]`, in a graph, to the same; the map is its sum over channels."""

    def bind(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if it has no feature map."""
        return network.feature_gradient(
            model, self._combine, self.layer, self.output, upsample=self.upsample
        )

    def _combine(self, features: Any, gradients: Any) -> Any:
        import tensorflow as tf

        maps = tf.reduce_sum(self.weighted(features, gradients), axis=-1, keepdims=True)
        return tf.nn.relu(maps) if self.relu else maps


@dataclass(frozen=True)
class GradCAMPlusPlus(_FeatureGradients):
    """Feature maps weighted by their positive gradients (Chattopadhay et al., 2018).

    Of channel k with the gradient g, `w_k = sum_ij alpha_ij ReLU(g_ij)`, and `alpha_ij =
    g_ij^2 / (2 g_ij^2 + sum(A_k) g_ij^3)`, with the sum over all places, as in the paper. Its
    common factor exp(score) is left out: it scales the map and overflows. The paper takes A as
    positive; where it is not, alpha has a pole. Settings as `GradCAM`'s.
    """

    def weighted(self, features: Any, gradients: Any) -> Any:
        """`w_k A_k`."""
        import tensorflow as tf

        sums = tf.reduce_sum(features, axis=[1, 2], keepdims=True)
        # The fraction reduced by g^2, which is 0 in float32 for gradients after a BatchNorm reset.
        shares = tf.nn.relu(gradients) / (2 + sums * gradients)
        return tf.reduce_sum(shares, axis=[1, 2], keepdims=True) * features


@dataclass(frozen=True)
class LayerCAM(_FeatureGradients):
    """Feature maps weighted place by place by positive gradients (Jiang et al., 2021).

    Settings as `GradCAM`'s.
    """

    def weighted(self, features: Any, gradients: Any) -> Any:
        """`ReLU(g) A`."""
        import tensorflow as tf

        return tf.nn.relu(gradients) * features


@dataclass(frozen=True)
class HiResCAM(_FeatureGradients):
    """Feature maps weighted place by place by their gradient (Draelos & Carin, 2020).

    As in the paper the map has no ReLU: in front of one dense layer it sums to the logit without
    its bias. Settings as `GradCAM`'s.
    """

    relu: bool = False

    def weighted(self, features: Any, gradients: Any) -> Any:
        """`g A`."""
        return gradients * features


@dataclass(frozen=True)
class _Features(Method):
    """A map made of a layer's output alone, whatever the target.

    Attributes:
        layer: name of the layer whose output is shown; default: the last feature map larger than
            1x1, in execution order, at any nesting depth.
        upsample: how the map is brought to the size of the image; None keeps its own.
        output: what the targets are classes of; it does not change the map.
    """

    class_specific: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = False

    layer: str | None = None
    upsample: Upsample | None = "bilinear"
    output: Output = "logit"

    def __post_init__(self) -> None:
        require_upsample(self.upsample)

    @abstractmethod
    def combine(self, features: Any) -> Any:
        """`[N, h, w, K]`, in a graph, to maps `[N, h, w, 1]`; both float64."""

    def bind(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if it has no feature map."""
        import tensorflow as tf

        def body(traced: network.Traced) -> Any:
            features = traced.features(self.layer)
            # Squares of tiny features would be 0 in float32.
            maps = tf.cast(self.combine(tf.cast(features, tf.float64)), tf.float32)
            return _sized(maps, tf.shape(traced.images)[1:3], self.upsample)

        return network.Kernel(model, body, self.output)


@dataclass(frozen=True)
class Activations(_Features):
    """Mean of a layer's feature maps over its channels: what the layer sees, whatever the class.

    Settings: `layer`, `upsample` and `output`, as `GradCAM`'s; `output` does not change the map.
    """

    def combine(self, features: Any) -> Any:
        """The mean."""
        import tensorflow as tf

        return tf.reduce_mean(features, axis=-1, keepdims=True)


@dataclass(frozen=True)
class EigenCAM(_Features):
    """Features projected on their first principal direction (Muhammad & Yeasin, 2020).

    The features `[h * w, K]`, not centred, times their first right singular vector, with the sign
    for which the map sums to no less than 0. Features without a negative value give a map without
    one. Settings as `Activations`'.
    """

    def combine(self, features: Any) -> Any:
        """The projection; NaN for an image whose features are not finite."""
        import tensorflow as tf

        matrices = tf.reshape(features, [tf.shape(features)[0], -1, features.shape[-1]])
        finite = tf.reduce_all(tf.math.is_finite(matrices), axis=[1, 2], keepdims=True)
        strengths, places, _ = tf.linalg.svd(tf.where(finite, matrices, 0.0))
        along = places[:, :, :1] * strengths[:, None, :1]
        turned = tf.where(tf.reduce_sum(along, axis=1, keepdims=True) < 0, -along, along)
        return tf.reshape(tf.where(finite, turned, np.nan), tf.shape(features[..., :1]))


@dataclass(frozen=True)
class FEM(_Features):
    """Rare strong features, channel by channel, weighted by the channel's mean (Fuad et al., 2020).

    The sum over channels of `mean(A_k) 1[A_k > mean(A_k) + deviations * std(A_k)]`. Fewer than six
    places have none that is two deviations above their mean: the map is 0. Other settings as
    `Activations`'.

    Attributes:
        deviations: how far above its channel's mean a feature is rare, in standard deviations.
    """

    deviations: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.deviations < 0:
            raise ValueError(f"deviations must be at least 0; got {self.deviations}")

    def combine(self, features: Any) -> Any:
        """The weighted sum of rare places."""
        import tensorflow as tf

        # A constant channel is exactly 0 here: rounding of its mean makes no place rare.
        shifted = features - features[:, :1, :1]
        mean, variance = tf.nn.moments(shifted, axes=[1, 2], keepdims=True)
        rare = tf.cast(shifted - mean > self.deviations * tf.sqrt(variance), features.dtype)
        weights = tf.reduce_mean(features, axis=[1, 2], keepdims=True)
        return tf.reduce_sum(weights * rare, axis=-1, keepdims=True)


@dataclass(frozen=True)
class ScoreCAM(Method):
    """Feature maps weighted by the score of the image that each lets through (Wang et al., 2020).

    Channel k, brought to the size of the image and stretched to [0, 1], is a mask; outside it the
    image is 0, in model units. The weights are the softmax over channels of the masked images'
    scores less that of a black image, which cancels. A constant channel is no mask: it has no
    weight, and an image with no other channel has a map of 0. One forward pass per channel, and
    one for the features.

    Settings as `GradCAM`'s; masks are always bilinear, as in the paper.
    """

    uses_gradients: ClassVar[bool] = False

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
        features_of = network.Kernel(model, lambda traced: traced.features(self.layer), self.output)
        score = network.SampleKernel(
            model, lambda traced: traced.target_scores, _masked, ranks=[2], output=self.output
        )

        def explain(images: Floats, targets: Ints) -> NDArray[np.float32]:
            features = features_of(images, targets)
            scores = np.empty((len(features), features.shape[-1]))
            for batch in network.pairs(len(features), features.shape[-1], score.batch):
                masks = features[batch.image, :, :, batch.sample]
                scores[batch.image, batch.sample] = score(images, targets, batch, masks)
            varies = features.max(axis=(1, 2)) != features.min(axis=(1, 2))
            weights = channel_weights(scores, varies)
            maps = np.einsum("nhwk,nk->nhw", features, weights).astype(np.float32)[..., None]
            maps = np.maximum(maps, 0) if self.relu else maps
            return np.asarray(_sized(maps, images.shape[1:3], self.upsample))

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            # The features of one batch at a time are held.
            rows = features_of.batch
            chunks = [slice(start, start + rows) for start in range(0, len(images), rows)]
            return np.concatenate([explain(images[chunk], targets[chunk]) for chunk in chunks])

        return bound


def channel_weights(scores: Floats, varies: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Softmax `[N, K]` of each image's scores `[N, K]` over the channels that vary; 0 elsewhere."""
    masked = np.where(varies, scores, -np.inf)
    highest = masked.max(axis=1, keepdims=True)
    shares = np.exp(masked - np.where(np.isneginf(highest), 0, highest))
    totals = shares.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(shares, totals, out=np.zeros_like(shares), where=totals != 0))


def _masked(images: Any, channels: Any) -> Any:
    """Images `[P, H, W, C]` seen through feature maps `[P, h, w]`, stretched to [0, 1]."""
    import tensorflow as tf

    masks = tf.image.resize(channels[..., None], tf.shape(images)[1:3])
    low = tf.reduce_min(masks, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(masks, axis=[1, 2], keepdims=True)
    return images * tf.math.divide_no_nan(masks - low, high - low)


def _sized(maps: Any, size: Any, upsample: str | None) -> Any:
    import tensorflow as tf

    return maps if upsample is None else tf.image.resize(maps, size, upsample)
