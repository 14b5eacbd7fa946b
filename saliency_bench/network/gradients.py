"""Compiled gradients of the explained output by the input or by a feature map."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

from saliency_bench.network.batches import Kernel, Traced
from saliency_bench.network.trace import last_feature_map
from saliency_bench.protocols import NotApplicable, Output


def target_score(model: Any, output: Output = "logit") -> Kernel:
    """Images and targets to the explained output `[N]`."""
    return Kernel(model, lambda traced: traced.target_scores, output)


def input_gradient(
    model: Any,
    output: Output = "logit",
    *,
    rule: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Kernel:
    """Images `[N, H, W, C]` and targets to the derivative of each target's score, same shape.

    Args:
        model: any built Keras model.
        output: what is derived.
        rule: a change of the backward pass, in force while the forward pass is traced.

    Raises:
        NotApplicable: if the output does not depend on the input by differentiable steps.
    """

    def body(traced: Traced) -> Any:
        return _derivative(traced.target_scores, traced.images, "the input")

    return Kernel(model, body, output, rule=rule)


def feature_gradient(
    model: Any,
    combine: Callable[[Any, Any], Any],
    layer: str | None = None,
    output: Output = "logit",
    *,
    upsample: str | None = "bilinear",
) -> Kernel:
    """Images and targets to a map made of a layer's features and their gradients.

    Args:
        model: any built Keras model.
        combine: features and gradients, both `[N, h, w, K]`, to maps `[N, h, w, 1]`.
        layer: the layer's name; default: the last feature map larger than 1x1.
        output: what is derived.
        upsample: brings the maps to `[N, H, W, 1]`; None leaves them.

    Raises:
        NotApplicable: if there is no such feature map, or the output does not depend on it.
        ValueError: if no layer has this name.
    """

    def body(traced: Traced) -> Any:
        features = last_feature_map(traced.calls, layer)
        gradients = _derivative(traced.target_scores, features, "the feature map")
        # Products and means of half-precision gradients underflow.
        maps = combine(tf.cast(features, tf.float32), tf.cast(gradients, tf.float32))
        if upsample is None:
            return maps
        return tf.image.resize(maps, tf.shape(traced.images)[1:3], upsample)

    return Kernel(model, body, output)


def _derivative(scores: Any, by: Any, what: str) -> Any:
    (gradient,) = tf.gradients(scores, by)
    if gradient is None:
        raise NotApplicable(f"the output does not depend on {what} by differentiable steps")
    return tf.convert_to_tensor(gradient)
