"""One traced forward pass, and functions that are compiled from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any

import keras
import tensorflow as tf

from saliency_bench.network.feature_maps import FeatureMap, FeatureMaps, Grid
from saliency_bench.network.grouped import give_gradients
from saliency_bench.network.output import ModelOutput, explained, run
from saliency_bench.network.overrides import Rule
from saliency_bench.network.path import Path
from saliency_bench.network.steady import Unwritten, require_steady
from saliency_bench.network.trace import TRACING, Call, inlined, input_names, input_shape, recorded
from saliency_bench.protocols import NotApplicable, Output, interrupts


@dataclass(frozen=True)
class ForwardPass:
    """Tensors of a forward pass.

    Attributes:
        scores: `[B, K]` the explained output.
        calls: every layer execution, in order.
        made: number of operations of the graph up to the end of the model.
        in_force: makes a block in which gradients follow the rule, if there is one.
    """

    scores: Any
    calls: list[Call]
    made: int
    in_force: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Traced:
    """The tensors of one traced forward pass.

    Attributes:
        images: `[B, H, W, C]`.
        targets: `[B]`.
        forward: the pass itself.
    """

    images: Any
    targets: Any
    forward: ForwardPass

    @property
    def scores(self) -> Any:
        """`[B, K]` of all classes."""
        return self.forward.scores

    @property
    def path(self) -> Path:
        """The operations that lead from the images to the scores."""
        return Path(self.images, self.scores, self.forward.calls)

    @property
    def target_scores(self) -> Any:
        """`[B]` the score of each row's target."""
        # `tf.gather(..., batch_dims=1)` is equivalent, but its gradient takes a hundred operations.
        rows = tf.range(tf.shape(self.targets)[0])
        return tf.gather_nd(self.scores, tf.stack([rows, self.targets], axis=1))

    def features(self, layer: str | None = None, grid: Grid | None = None) -> FeatureMap:
        """The feature map that a layer returns; default: see `FeatureMaps.find`.

        Args:
            layer: the layer's name.
            grid: rows and columns of its tokens, where the graph does not tell.

        Raises:
            NotApplicable: if there is no such feature map.
            ValueError: if no layer has this name, or it has another grid.
        """
        return FeatureMaps(self.path, self.forward.made, grid).find(layer)


Body = Callable[[Traced], Any]
"""From a forward pass to the tensor of B rows that a kernel returns."""


def require_model(model: Any) -> None:
    """Raise `ValueError` if this is no Keras model with one input."""
    if not isinstance(model, keras.Layer):
        hint = ": keras.saving.load_model reads a file" if isinstance(model, str | PathLike) else ""
        text = " ".join(repr(model).split())
        raise ValueError(f"model must be a built Keras model; got {text:.80}{hint}")
    inputs = input_names(model)
    if len(inputs) > 1:
        raise ValueError(
            f"the model must have one input, of images; {model.name!r} has {len(inputs)} inputs: "
            f"{', '.join(inputs[:3])}"
        )


def require_built(model: Any) -> None:
    """Raise `ValueError` if the model is no Keras model with one input, or not built."""
    require_model(model)
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
        ValueError: if the model has no output that can be explained, or if it changes or is random
            when it is run.
    """
    inputs = images if rule is None else rule.forward(images)
    graph = images.graph
    before = len(graph.get_operations())
    tracing = nullcontext() if rule is None else rule.tracing()
    with recorded(model) as calls, Unwritten() as unwritten, tracing:
        value = run(model, inputs)
        made = len(graph.get_operations())
        scores = explained(ModelOutput(value, calls), output, model.name)
    operations = graph.get_operations()[before:]
    give_gradients(operations)
    require_steady(model, scores, operations, calls, unwritten.updates)
    if rule is None:
        return ForwardPass(scores, calls, made)
    scores = scores[: tf.shape(images)[0]]
    return ForwardPass(scores, calls, made, partial(rule.in_force, Path(images, scores, calls)))


def compile_graph(function: Callable[..., Any], specs: Sequence[Any]) -> Any:
    """Trace a function of tensors once, including any `tf.function` inside the model.

    Raises:
        NotApplicable, ValueError: as the function raises them.
    """
    with interrupts.kept(), TRACING, inlined():
        return tf.function(function, autograph=False).get_concrete_function(*specs)


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
