"""Class activation maps that need no gradients."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Compiled, Upsample, as_grid, require_upsample
from saliency_bench.protocols import Bound, Floats, Ints, NotApplicable, Output


@dataclass(frozen=True)
class _Features(Compiled):
    """A map that depends on a layer's output alone, not on the target.

    Attributes:
        layer: name of the layer whose output is shown, at any depth; default: the last tensor with
            more than one place that every way from the images to the scores passes.
        upsample: interpolation to the size of the image; None keeps the layer's size.
        output: the output whose classes the targets are; it does not change the map.
        grid: rows and columns of the layer's tokens `[N, T, D]`, where the graph does not tell.
            What is over are special tokens in front, such as a class token. None: the graph tells.
    """

    class_specific: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = False

    layer: str | None = None
    upsample: Upsample | None = "bilinear"
    output: Output = "logit"
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        require_upsample(self.upsample)
        object.__setattr__(self, "grid", as_grid(self.grid))

    @abstractmethod
    def combine(self, features: Any) -> Any:
        """Features `[N, h, w, K]` to maps `[N, h, w, 1]`, in a graph; both float64."""

    def compile(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if it has no feature map."""
        import tensorflow as tf

        def body(traced: network.Traced) -> Any:
            features = traced.features(self.layer, self.grid)
            # Squares of tiny features would be 0 in float32.
            maps = tf.cast(self.combine(tf.cast(features.values, tf.float64)), tf.float32)
            return features.place.resize(maps, self.upsample)

        return network.Kernel(model, body, self.output)


@dataclass(frozen=True)
class Activations(_Features):
    """Mean of a layer's feature maps over its channels.

    Settings: `layer`, `upsample`, `output` and `grid`, as `GradCAM`'s; `output` does not change the
    map.
    """

    papers: ClassVar[tuple[str, ...]] = ()

    def combine(self, features: Any) -> Any:
        """The mean over channels."""
        import tensorflow as tf

        return tf.reduce_mean(features, axis=-1, keepdims=True)


@dataclass(frozen=True)
class EigenCAM(_Features):
    """Features projected on their first principal direction (Muhammad & Yeasin, 2020).

    The features `[h * w, K]`, not centred, times their first right singular vector, with the sign
    for which the sum of the map is at least 0. Features without negative values give a map without
    negative values. Settings as `Activations`'.
    """

    papers: ClassVar[tuple[str, ...]] = ("muhammad2020",)

    def combine(self, features: Any) -> Any:
        """The projection; NaN for an image whose features are not finite."""
        import tensorflow as tf

        matrices = tf.reshape(features, [tf.shape(features)[0], -1, features.shape[-1]])
        finite = tf.reduce_all(tf.math.is_finite(matrices), axis=[1, 2], keepdims=True)
        strengths, positions, _ = tf.linalg.svd(tf.where(finite, matrices, 0.0))
        along = positions[:, :, :1] * strengths[:, None, :1]
        oriented = tf.where(tf.reduce_sum(along, axis=1, keepdims=True) < 0, -along, along)
        return tf.reshape(tf.where(finite, oriented, np.nan), tf.shape(features[..., :1]))


@dataclass(frozen=True)
class FEM(_Features):
    """Strong, rare features of each channel, weighted by the channel's mean (Fuad et al., 2020).

    The sum over channels of `mean(A_k) 1[A_k > mean(A_k) + deviations * std(A_k)]`. One of n
    positions lies at most `sqrt(n - 1)` deviations above their mean, so a grid of five positions
    or fewer has nothing rare at two deviations: it is refused. Other settings as `Activations`'.

    Attributes:
        deviations: distance above the channel's mean from which a feature is rare, in standard
            deviations.
    """

    papers: ClassVar[tuple[str, ...]] = ("fuad2020",)

    deviations: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.deviations < 0:
            raise ValueError(f"deviations must be at least 0; got {self.deviations}")

    def combine(self, features: Any) -> Any:
        """The weighted sum of the rare positions; `NotApplicable` if none of so few can be rare."""
        import tensorflow as tf

        _, height, width, _ = features.shape
        if height * width - 1 <= self.deviations**2:
            raise NotApplicable(
                f"none of {height}x{width} positions can lie {self.deviations:g} standard "
                f"deviations above their mean; one of more than {self.deviations**2 + 1:g} can"
            )

        # A constant channel is exactly 0 here, so rounding of its mean makes no position rare.
        shifted = features - features[:, :1, :1]
        mean, variance = tf.nn.moments(shifted, axes=[1, 2], keepdims=True)
        rare = tf.cast(shifted - mean > self.deviations * tf.sqrt(variance), features.dtype)
        weights = tf.reduce_mean(features, axis=[1, 2], keepdims=True)
        return tf.reduce_sum(weights * rare, axis=-1, keepdims=True)


@dataclass(frozen=True)
class ScoreCAM(Compiled):
    """Feature maps weighted by the score of the image that each map masks (Wang et al., 2020).

    Channel k, resized to the image and stretched to [0, 1], is multiplied with the image, in model
    units. The weights are the softmax over channels of the masked images' scores; the paper's score
    of a black image cancels. A constant channel cannot mask: its weight is 0, and an image with
    only such channels has a map of 0. It costs one forward pass per channel, and one for the
    features.

    Settings as `GradCAM`'s; masks are always bilinear, as in the paper.
    """

    papers: ClassVar[tuple[str, ...]] = ("wang2020",)
    uses_gradients: ClassVar[bool] = False

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

    def compile(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if it has no feature map."""
        places: dict[tuple[int, ...], network.Placement] = {}

        def values(traced: network.Traced) -> Any:
            features = traced.features(self.layer, self.grid)
            places[features.place.size] = features.place
            return features.values

        def mask(images: Any, channels: Any) -> Any:
            return _mask(images, channels, places[tuple(images.shape[1:3])])

        features_of = network.Kernel(model, values, self.output)
        score = network.Samples(network.target_score(model, self.output), mask, ranks=(2,))

        def explain_batch(images: Floats, targets: Ints) -> NDArray[np.float32]:
            features = features_of(images, targets)
            scores = np.empty((len(features), features.shape[-1]))
            for batch in network.pairs(len(features), features.shape[-1], score.batch):
                masks = features[batch.image, :, :, batch.sample]
                scores[batch.image, batch.sample] = score.rows(images, targets, batch, masks)
            varies = features.max(axis=(1, 2)) != features.min(axis=(1, 2))
            weights = channel_weights(scores, varies)
            maps = np.einsum("nhwk,nk->nhw", features, weights).astype(np.float32)[..., None]
            maps = np.maximum(maps, 0) if self.relu else maps
            return np.asarray(places[images.shape[1:3]].resize(maps, self.upsample))

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            # Memory holds the features of one batch at a time.
            rows = features_of.batch
            chunks = [slice(start, start + rows) for start in range(0, len(images), rows)]
            return np.concatenate(
                [explain_batch(images[chunk], targets[chunk]) for chunk in chunks]
            )

        return explain


def channel_weights(scores: Floats, varies: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Softmax `[N, K]` of scores `[N, K]` over the channels that vary; 0 for the others."""
    masked = np.where(varies, scores, -np.inf)
    highest = masked.max(axis=1, keepdims=True)
    shares = np.exp(masked - np.where(np.isneginf(highest), 0, highest))
    totals = shares.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(shares, totals, out=np.zeros_like(shares), where=totals != 0))


def _mask(images: Any, channels: Any, place: network.Placement) -> Any:
    """Multiply images `[P, H, W, C]` with feature maps `[P, h, w]`, stretched to [0, 1]."""
    import tensorflow as tf

    masks = place.resize(channels[..., None], "bilinear")
    low = tf.reduce_min(masks, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(masks, axis=[1, 2], keepdims=True)
    return images * tf.math.divide_no_nan(masks - low, high - low)
