"""Layer executions and their outputs, recorded while a graph is traced."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from threading import RLock
from typing import Any

import keras
import tensorflow as tf

TRACING = RLock()
"""Held while a model is traced: its layers are patched, and TensorFlow is set to inline, then."""


@dataclass(frozen=True)
class Call:
    """One execution of one layer.

    Attributes:
        layer: the layer.
        output: the tensor that it returned.
        operations: names of the graph operations that it created, including those of inner layers.
    """

    layer: Any
    output: Any
    operations: frozenset[str] = frozenset()


@contextmanager
def inlined() -> Iterator[None]:
    """A block in which a `tf.function` inside a model is traced, not called as a closed graph.

    A closed graph hides its ReLUs and its softmax. If its layers were built inside it, it also
    ignores later assignments to the weights. A graph traced inside this block reads the current
    variables. Flash attention, which hides its probabilities, is off.
    """
    before = tf.config.functions_run_eagerly()
    flash = keras.config.is_flash_attention_enabled() is not False
    tf.config.run_functions_eagerly(True)
    keras.config.disable_flash_attention()
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
        if flash:
            keras.config.enable_flash_attention()


@contextmanager
def recorded(model: Any) -> Iterator[list[Call]]:
    """A block that collects a `Call` for every layer execution, at any nesting depth, in order.

    Each layer's `call` is wrapped inside the block. So the output of a nested layer is found
    without a path of Keras tensors from the input, which subclassed models lack.
    """
    calls: list[Call] = []
    with ExitStack() as undo:
        for layer in model._flatten_layers(include_self=False):
            undo.enter_context(_instance_call(layer, _with_recording(layer, calls)))
        yield calls


@contextmanager
def _instance_call(layer: Any, call: Callable[..., Any]) -> Iterator[None]:
    """Shadow `layer.call` inside the block; a `call` that the user set on the instance returns."""
    users = layer.__dict__.get("call")
    layer.__dict__["call"] = call
    try:
        yield
    finally:
        if users is None:
            del layer.__dict__["call"]
        else:
            layer.__dict__["call"] = users


def _with_recording(layer: Any, calls: list[Call]) -> Callable[..., Any]:
    original = layer.call

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        before = len(graph.get_operations())
        output = original(*args, **kwargs)
        created = graph.get_operations()[before:]
        calls.append(Call(layer, output, frozenset(op.name for op in created)))
        return output

    return call


def innermost(calls: Iterable[Call], operation: Any) -> Any:
    """The innermost layer that created an operation; None if no layer did."""
    around = [call for call in calls if operation.name in call.operations]
    call = min(around, key=lambda call: len(call.operations), default=None)
    return None if call is None else call.layer


def input_shape(model: Any) -> tuple[int | None, ...] | None:
    """`(H, W, C)` for which the model was built; None if it does not state it."""
    shape = getattr(model, "input_shape", None)
    if shape is None:
        known = getattr(model, "_build_shapes_dict", None) or {}
        shape = next(iter(known.values()), None) if len(known) == 1 else None
    # A subclassed model that was read from a file has a list here.
    if not isinstance(shape, tuple | list) or len(shape) != 4:
        return None
    return tuple(shape[1:])


def input_names(model: Any) -> list[str]:
    """The names of a model's inputs: of its input layers, or of what its `call` needs."""
    inputs = getattr(model, "inputs", None)
    if inputs is not None:
        return [str(tensor._keras_history.operation.name) for tensor in inputs]
    needed = [
        name
        for name, parameter in signature(model.call).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and name not in ("training", "mask")
    ]
    shapes = (getattr(model, "_build_shapes_dict", None) or {}).get("input_shape", ())
    if isinstance(shapes, dict):
        return list(shapes)
    several = isinstance(shapes, list) and isinstance(shapes[0], tuple | list)
    return [f"{name}[{i}]" for name in needed for i in range(len(shapes))] if several else needed


def layer_calls(model: Any) -> list[Call]:
    """Every layer execution of one forward pass, in order.

    Raises:
        ValueError: if the model is not built for one input of images.
    """
    shape = input_shape(model)
    if shape is None:
        raise ValueError(
            f"the model must be built for one input of images (H, W, C): call it once on a batch; "
            f"{model.name!r} has input shape {getattr(model, 'input_shape', None)}"
        )
    spec = tf.TensorSpec([None, *shape], tf.float32)
    with TRACING, inlined(), recorded(model) as calls:
        tf.function(
            lambda images: model(images, training=False), autograph=False
        ).get_concrete_function(spec)
    return calls


def own_variables(layer: Any) -> list[Any]:
    """A layer's own variables, without those of sublayers and without states of random generators.

    A `keras.layers.Normalization` has none: it stores statistics of the data, not weights.
    """
    if isinstance(layer, keras.layers.Normalization):
        return []
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def near(name: object, known: Iterable[object]) -> str:
    """The known names that resemble a wrong one, else all of them, for an error message."""
    names = list(dict.fromkeys(map(str, known)))
    return ", ".join(difflib.get_close_matches(str(name), names) or names)


def ancestors(tensor: Any) -> set[str]:
    """Names of the operations that a tensor depends on."""
    names: set[str] = set()
    waiting = [tensor.op]
    while waiting:
        op = waiting.pop()
        if op.name not in names:
            names.add(op.name)
            waiting += [tensor.op for tensor in op.inputs]
    return names
