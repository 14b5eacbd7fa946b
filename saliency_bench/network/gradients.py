"""Compiled gradients of the explained output by the input or by a feature map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from saliency_bench.network.batches import Batches, Kernel
from saliency_bench.network.feature_maps import Grid
from saliency_bench.network.forward import Traced
from saliency_bench.network.kept import once
from saliency_bench.network.overrides import Rule
from saliency_bench.protocols import NotApplicable, Output


def target_score(model: Any, output: Output = "logit") -> Kernel:
    """A kernel from images `[N, H, W, C]` and targets `[N]` to the targets' scores `[N]`."""
    return once(model, ("target_score", output, Batches()), partial(_target_score, output=output))


def _target_score(model: Any, output: Output) -> Kernel:
    return Kernel(model, lambda traced: traced.target_scores, output)


def target_and_top(model: Any, output: Output = "logit") -> Kernel:
    """A kernel from images and targets to `[N, 2]`: the target's score, and the class that wins.

    Its number is that of the highest score; it is exact as a float.
    """
    key = ("target_and_top", output, Batches())
    return once(model, key, partial(_target_and_top, output=output))


def _target_and_top(model: Any, output: Output) -> Kernel:
    def body(traced: Traced) -> Any:
        scores = tf.cast(traced.target_scores, tf.float32)
        return tf.stack([scores, tf.cast(tf.argmax(traced.scores, axis=1), tf.float32)], axis=1)

    return Kernel(model, body, output)


def input_gradient(
    model: Any,
    output: Output = "logit",
    *,
    rule: Rule | None = None,
) -> Kernel:
    """A kernel from images `[N, H, W, C]` and targets `[N]` to gradients `[N, H, W, C]`.

    Args:
        model: any built Keras model.
        output: the output that is differentiated.
        rule: a change of the forward or backward pass while the model is traced.

    Raises:
        NotApplicable: if the output does not depend on the input by differentiable steps.
    """
    key = ("input_gradient", output, type(rule), Batches())
    return once(model, key, partial(_input_gradient, output=output, rule=rule))


def _input_gradient(model: Any, output: Output, rule: Rule | None) -> Kernel:
    def body(traced: Traced) -> Any:
        return derivative(traced.target_scores, traced.images)

    return Kernel(model, body, output, rule=rule)


def feature_gradient(
    model: Any,
    combine: Callable[[Any, Any], Any],
    layer: str | None = None,
    output: Output = "logit",
    *,
    upsample: str | None = "bilinear",
    grid: Grid | None = None,
) -> Kernel:
    """A kernel from images and targets to a map made of a layer's features and their gradients.

    Args:
        model: any built Keras model.
        combine: features and gradients, both `[N, h, w, K]`, to maps `[N, h, w, 1]`.
        layer: the layer's name; default: see `FeatureMaps.find`.
        output: the output that is differentiated.
        upsample: interpolation of the maps to `[N, H, W, 1]`; None keeps their size.
        grid: rows and columns of the layer's tokens, where the graph does not tell.

    Raises:
        NotApplicable: if there is no such feature map, or the output does not depend on it.
        ValueError: if no layer has this name, or it has another grid.
    """

    def body(traced: Traced) -> Any:
        features = traced.features(layer, grid)
        gradients = derivative(traced.target_scores, features.tensor, "the feature map")
        # Products and means of half-precision gradients underflow.
        values, slopes = (
            tf.cast(features.arranged(tensor), tf.float32)
            for tensor in (features.tensor, gradients)
        )
        return features.place.resize(combine(values, slopes), upsample)

    return Kernel(model, body, output)


def derivative(scores: Any, by: Any, what: str = "the input", *, start: Any = None) -> Any:
    """The gradient of scores with respect to a tensor, inside a graph.

    Args:
        scores: `[B]`.
        by: a tensor `[B, ...]` that the scores depend on.
        what: the tensor's name in an error message.
        start: `[B]` the signal at the scores; default: 1.

    Raises:
        NotApplicable: if the scores do not depend on the tensor by differentiable steps.
    """
    return derivatives(scores, [by], what, start=start)[0]


def derivatives(
    scores: Any, by: Sequence[Any], what: str = "the input", *, start: Any = None
) -> list[Any]:
    """As `derivative`, with respect to several tensors in one backward pass."""
    gradients = tf.gradients(scores, list(by), start)
    if any(gradient is None for gradient in gradients):
        raise NotApplicable(f"the output does not depend on {what} by differentiable steps")
    return [tf.convert_to_tensor(gradient) for gradient in gradients]
