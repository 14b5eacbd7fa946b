"""One traced forward pass, and the compiled functions that are made of one."""

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
from saliency_bench.protocols import NotApplicable, Output


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
        """`[B]` the score of each row's target class."""
        # `tf.gather(..., batch_dims=1)` is the same, but its gradient takes a hundred operations.
        rows = tf.range(tf.shape(self.targets)[0])
        return tf.gather_nd(self.scores, tf.stack([rows, self.targets], axis=1))

    def features(self, layer: str | None = None) -> Any:
        """`[B, h, w, K]` of a layer, by default the last one with a feature map that counts.

        Raises:
            NotApplicable: if there is no such feature map.
            ValueError: if no layer has this name.
        """
        return last_feature_map(self.calls, self.scores, layer)


Body = Callable[[Traced], Any]
"""What a kernel returns of a forward pass: one tensor of B rows."""


@dataclass(frozen=True)
class Passed:
    """What a forward pass leaves: the explained scores `[B, K]`, the layers' calls, the rule."""

    scores: Any
    calls: list[Call]
    in_force: Callable[[], AbstractContextManager[None]] = nullcontext


def require_built(model: Any) -> None:
    """Raise `ValueError` if the model was never built."""
    if not model.built:
        raise ValueError(f"the model must be built: call it once; {model.name!r} is not")


def passed(model: Any, images: Any, output: Output = "logit", rule: Rule | None = None) -> Passed:
    """One forward pass inside a graph being traced; a rule changes the gradients `in_force`.

    Raises:
        NotApplicable: if the rule cannot serve the model.
        ValueError: if the model has no output that can be explained.
    """
    if rule is None:
        with recorded(model) as calls:
            return Passed(explained(model, images, output, calls), calls)
    given = rule.forward(images)
    with recorded(model) as calls, rule.tracing():
        scores = explained(model, given, output, calls)[: tf.shape(images)[0]]
    return Passed(scores, calls, partial(rule.in_force, Path(images, scores, calls)))


def compiled(function: Callable[..., Any], specs: Sequence[Any]) -> Any:
    """A function of tensors, traced once; `tf.function`s inside the model are traced through.

    Raises:
        NotApplicable, ValueError: as the function does, without what TensorFlow wraps around it.
    """
    refusals: list[Exception] = []

    def traced(*tensors: Any) -> Any:
        try:
            return function(*tensors)
        except (NotApplicable, ValueError) as refusal:
            refusals.append(refusal)
            raise

    try:
        with inlined():
            return tf.function(traced).get_concrete_function(*specs)
    except Exception:
        # Autograph wraps what a traced function raises; the caller needs the plain refusal.
        if refusals:
            raise refusals[-1] from None
        raise


def ends_in_scores(model: Any, output: Output = "logit") -> Any:
    """A Keras model `[N, H, W, C]` to scores `[N, K]` that computes with a model's live weights.

    For code that wants a model and differentiates it; it has one layer, and no weights of its own.

    Raises:
        NotApplicable: if the model does not say its input shape.
        ValueError: if it has no output that can be explained.
    """
    require_built(model)
    shape = input_shape(model)
    if shape is None or None in shape:
        raise NotApplicable("the model must have one input of a fixed size")
    scores = compiled(
        lambda images: passed(model, images, output).scores,
        (tf.TensorSpec([None, *shape], tf.float32),),
    )

    images = keras.Input(shape)
    classes = scores.outputs[0].shape[1:]
    layer = keras.layers.Lambda(
        lambda values: scores(tf.cast(values, tf.float32)), output_shape=classes, name="scores"
    )
    return keras.Model(images, layer(images))
