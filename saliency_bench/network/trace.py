"""Layers in execution order and taps on their outputs, recorded while a graph is traced."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import keras
import tensorflow as tf

from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class Call:
    """One execution of one layer.

    Attributes:
        layer: that ran.
        output: the tensor it returned.
        operations: names of the graph's operations it created, those of inner layers among them.
    """

    layer: Any
    output: Any
    operations: frozenset[str] = frozenset()


@contextmanager
def inlined() -> Iterator[None]:
    """Trace through `tf.function`s inside the model instead of calling them as closed graphs.

    A closed graph hides its ReLUs from overrides and its softmax from us, and one whose layers
    were first built inside it ignores later assignments to the weights. Inlined, the graph traced
    here reads the live variables.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextmanager
def recorded(model: Any) -> Iterator[list[Call]]:
    """Collect a `Call` for every layer that runs inside, at any nesting depth, in order.

    Works by wrapping each layer's `call` for the time of the trace: a nested layer's tensor can
    be tapped without a path of Keras tensors from the input, which subclassed models lack.
    """
    calls: list[Call] = []
    with ExitStack() as undo:
        for layer in model._flatten_layers(include_self=False):
            undo.enter_context(_instance_call(layer, _recording(layer, calls)))
        yield calls


@contextmanager
def _instance_call(layer: Any, call: Callable[..., Any]) -> Iterator[None]:
    """Shadow `layer.call`; a `call` that the user put on the instance comes back."""
    users = layer.__dict__.get("call")
    layer.__dict__["call"] = call
    try:
        yield
    finally:
        if users is None:
            del layer.__dict__["call"]
        else:
            layer.__dict__["call"] = users


def _recording(layer: Any, calls: list[Call]) -> Callable[..., Any]:
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


def input_shape(model: Any) -> tuple[int | None, ...] | None:
    """`(H, W, C)` the model was built for; None if it does not say."""
    shape = getattr(model, "input_shape", None)
    if shape is None:
        known = getattr(model, "_build_shapes_dict", None) or {}
        shape = next(iter(known.values()), None) if len(known) == 1 else None
    # A subclassed model that was read from a file holds a list.
    if not isinstance(shape, tuple | list) or len(shape) != 4:
        return None
    return tuple(shape[1:])


def layer_calls(model: Any) -> list[Call]:
    """Every layer execution of one symbolic pass, in order.

    Raises:
        ValueError: if the model was never built, so that nothing can be traced.
    """
    shape = input_shape(model)
    if shape is None:
        raise ValueError(
            f"the model must be built for one input of images (H, W, C): call it once on a batch; "
            f"{model.name!r} has input shape {getattr(model, 'input_shape', None)}"
        )
    spec = tf.TensorSpec([None, *shape], tf.float32)
    with inlined(), recorded(model) as calls:
        tf.function(lambda images: model(images, training=False)).get_concrete_function(spec)
    return calls


def own_variables(layer: Any) -> list[Any]:
    """The variables a layer holds itself, without its sublayers' and random-seed states.

    `keras.layers.Normalization` holds statistics of the data, not weights: it has none.
    """
    if isinstance(layer, keras.layers.Normalization):
        return []
    return [*layer._trainable_variables, *layer._non_trainable_variables]


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def near(name: object, known: Iterable[object]) -> str:
    """The known names that look like a wrong one, else all of them, for a message."""
    names = list(dict.fromkeys(map(str, known)))
    return ", ".join(difflib.get_close_matches(str(name), names) or names)


def last_feature_map(calls: list[Call], scores: Any, name: str | None = None) -> Any:
    """The output tensor `[N, h, w, K]` of the layer CAM methods explain.

    By default the last layer in execution order, at any depth, whose output is larger than 1x1,
    lies at or behind a layer with weights, and leads to the scores.

    Raises:
        NotApplicable: if there is no such layer.
        ValueError: if no layer is called `name`.
    """
    if name is not None:
        return _named_feature_map(calls, name)
    learned = False
    found = None
    leading = _leading_to(scores)
    for call in calls:
        learned = learned or bool(own_variables(call.layer))
        if learned and _is_feature_map(call.output) and call.output.op.name in leading:
            found = call.output
    if found is None:
        raise NotApplicable("no layer with weights has a feature map larger than 1x1")
    return found


def _leading_to(tensor: Any) -> set[str]:
    """Names of the operations that a tensor is made of."""
    found: set[str] = set()
    waiting = [tensor.op]
    while waiting:
        op = waiting.pop()
        if op.name not in found:
            found.add(op.name)
            waiting += [given.op for given in op.inputs]
    return found


def _named_feature_map(calls: list[Call], name: str) -> Any:
    outputs = [call.output for call in calls if call.layer.name == name]
    if not outputs:
        known = near(name, (call.layer.name for call in calls if _is_feature_map(call.output)))
        raise ValueError(f"layer must be one with a feature map ({known}); got {name!r}")
    if not _is_feature_map(outputs[-1]):
        raise NotApplicable(f"the output of layer {name!r} is not a feature map larger than 1x1")
    return outputs[-1]


def _is_feature_map(output: Any) -> bool:
    shape = getattr(output, "shape", None)
    if shape is None or len(shape) != 4:
        return False
    return (shape[1] is None or shape[1] > 1) and (shape[2] is None or shape[2] > 1)
