"""One traced forward pass, and functions that are compiled from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from saliency_bench.network.output import explained
from saliency_bench.network.overrides import Path, Rule
from saliency_bench.network.trace import Call, inlined, input_shape, last_feature_map, recorded
from saliency_bench.protocols import NotApplicable, Output, interrupts


@dataclass(frozen=True)
class Traced:
    """The tensors of one traced forward pass.

    Attributes:
        images: `[B, H, W, C]`.
        targets: `[B]`.
        scores: `[B, K]` of all classes.
        calls: every layer execution, in order.
    """

    images: Any
    targets: Any
    scores: Any
    calls: list[Call]

    @property
    def target_scores(self) -> Any:
        """`[B]` the score of each row's target."""
        # `tf.gather(..., batch_dims=1)` is equivalent, but its gradient takes a hundred operations.
        rows = tf.range(tf.shape(self.targets)[0])
        return tf.gather_nd(self.scores, tf.stack([rows, self.targets], axis=1))

    def features(self, layer: str | None = None) -> Any:
        """`[B, h, w, K]` the output of a layer; default: see `last_feature_map`.

        Raises:
            NotApplicable: if there is no such feature map.
            ValueError: if no layer has this name.
        """
        return last_feature_map(self.calls, self.scores, layer)


Body = Callable[[Traced], Any]
"""From a forward pass to the tensor of B rows that a kernel returns."""


@dataclass(frozen=True)
class ForwardPass:
    """Tensors of a forward pass.

    Attributes:
        scores: `[B, K]` the explained output.
        calls: every layer execution, in order.
        in_force: makes a block in which gradients follow the rule, if there is one.
    """

    scores: Any
    calls: list[Call]
    in_force: Callable[[], AbstractContextManager[None]] = nullcontext


def require_built(model: Any) -> None:
    """Raise `ValueError` if the model is not built."""
    if not model.built:
        raise ValueError(f"the model must be built: call it once; {model.name!r} is not")


def forward_pass(
    model: Any, images: Any, output: Output = "logit", rule: Rule | None = None
) -> ForwardPass:
    """Run the model inside a graph being traced.

    Args:
        model: any built Keras model.
        images: `[B, H, W, C]`.
        output: which output of the model is scored.
        rule: a change of the forward pass, and of the gradients inside `in_force`.

    Raises:
        NotApplicable: if the rule cannot serve the model.
        ValueError: if the model has no output that can be explained.
    """
    if rule is None:
        with recorded(model) as calls:
            return ForwardPass(explained(model, images, output, calls), calls)
    inputs = rule.forward(images)
    with recorded(model) as calls, rule.tracing():
        scores = explained(model, inputs, output, calls)[: tf.shape(images)[0]]
    return ForwardPass(scores, calls, partial(rule.in_force, Path(images, scores, calls)))


def compile_graph(function: Callable[..., Any], specs: Sequence[Any]) -> Any:
    """Trace a function of tensors once, including any `tf.function` inside the model.

    Raises:
        NotApplicable, ValueError: as the function raises them, without TensorFlow's wrapper.
    """
    errors: list[Exception] = []

    def trace(*tensors: Any) -> Any:
        try:
            return function(*tensors)
        except (NotApplicable, ValueError) as error:
            errors.append(error)
            raise

    try:
        with interrupts.kept(), inlined():
            return tf.function(trace).get_concrete_function(*specs)
    except Exception:
        # Autograph wraps what a traced function raises; the caller needs the original error.
        if errors:
            raise errors[-1] from None
        raise


def ends_in_scores(model: Any, output: Output = "logit") -> Any:
    """A Keras model from images `[N, H, W, C]` to scores `[N, K]` that shares a model's weights.

    It is for libraries that take a Keras model and differentiate it. It has a single layer, without
    weights of its own.

    Raises:
        NotApplicable: if the model does not state its input shape.
        ValueError: if it has no output that can be explained.
    """
    require_built(model)
    shape = input_shape(model)
    if shape is None or None in shape:
        raise NotApplicable(f"the model must have one input of a fixed size; got {shape}")
    scores = compile_graph(
        lambda images: forward_pass(model, images, output).scores,
        (tf.TensorSpec([None, *shape], tf.float32),),
    )

    images = keras.Input(shape)
    classes = scores.outputs[0].shape[1:]
    layer = keras.layers.Lambda(
        lambda values: scores(tf.cast(values, tf.float32)), output_shape=classes, name="scores"
    )
    return keras.Model(images, layer(images))
