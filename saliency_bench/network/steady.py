"""Proof that a network is the same after it was run, and gives the same scores again.

A traced forward pass is read, never run: a network that writes a variable, or draws new random
numbers, is refused before it can do so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from saliency_bench.network.trace import Call, ancestors, innermost

_READS = frozenset({
    "Identity", "LookupTableExportV2", "LookupTableFindV2", "LookupTableSizeV2", "ReadVariableOp",
    "ResourceGather", "ResourceGatherNd", "VarIsInitializedOp", "VariableShape",
})  # fmt: skip
"""Operations that take a resource, such as a variable, and leave it as it is."""

_CALLS = frozenset({
    "Case", "If", "PartitionedCall", "StatefulPartitionedCall", "StatelessCase", "StatelessIf",
    "StatelessWhile", "While",
})  # fmt: skip
"""Operations that run graphs of their own; the last inputs are the arguments of each."""

_DRAWS = frozenset({
    "FractionalAvgPool", "FractionalMaxPool", "Multinomial", "NonDeterministicInts",
    "ParameterizedTruncatedNormal", "RandomGamma", "RandomPoisson", "RandomPoissonV2",
    "RandomShuffle", "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "Timestamp",
    "TruncatedNormal",
})  # fmt: skip
"""Operations that draw other random numbers whenever they run."""


class Unwritten(keras.StatelessScope):  # type: ignore[misc]
    """A block that traces a model whose Keras variables are then not written when it is run.

    Attributes:
        updates: the variables that would be written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.updates: list[Any] = []

    def add_update(self, update: tuple[Any, Any]) -> None:
        """Called by Keras in place of an assignment."""
        self.updates.append(update[0])
        super().add_update(update)


def require_steady(
    model: Any,
    scores: Any,
    operations: Sequence[Any],
    calls: Sequence[Call],
    updates: Sequence[Any],
) -> None:
    """Raise `ValueError` if a model changes when it is run, or gives random scores.

    Random numbers that do not reach the scores are allowed: an RNN with dropout draws a mask at
    inference too. Operations of Python (`tf.py_function`) cannot be read, and pass.

    Args:
        model: the Keras model.
        scores: the explained scores.
        operations: of the traced forward pass.
        calls: every layer execution in it.
        updates: Keras variables that it would write.

    Raises:
        ValueError: the message names the layer or the variable.
    """
    graph, reached = scores.graph, ancestors(scores)
    written = [(op, handle) for op in operations for handle in _written(graph, op)]
    states = {handle.op.name for _, handle in written}
    states |= {inner.op.name for v in updates if (inner := _captured(graph, v.value)) is not None}
    for op in operations:
        if op.name in reached and (_draws(graph, op) or _is_seeded(op, states)):
            raise ValueError(
                "the model must give the same scores whenever it is run; "
                f"{_place(model, calls, op)} is random at inference (called with training=True?)"
            )
    writes = [f"it writes {v.path!r}" for v in updates if v.name != "seed_generator_state"]
    writes += [f"{_place(model, calls, op)} writes {_name(model, graph, h)}" for op, h in written]
    if writes:
        raise ValueError(
            f"the model must be the same after it was run; when run, {writes[0]} (a layer called "
            "with training=True, or a counter?)"
        )


def _written(graph: Any, op: Any) -> list[Any]:
    """Resources from outside the graph that an operation writes."""
    if op.type in _READS:
        return []
    outside = [_origin(tensor) for tensor in op.inputs if tensor.dtype == tf.resource]
    if op.type in _CALLS and outside:
        places = {
            place - len(definition.signature.input_arg)
            for definition in _definitions(graph, op.node_def)
            for place in _written_arguments(graph, definition)
        }
        outside = [_origin(op.inputs[place]) for place in sorted(places)]
    return [handle for handle in outside if handle.op.type == "Placeholder"]


def _origin(handle: Any) -> Any:
    while handle.op.type == "Identity":
        handle = handle.op.inputs[0]
    return handle


def _written_arguments(graph: Any, definition: Any) -> set[int]:
    """Places of the arguments of a function that are resources which it writes."""
    arguments = {
        argument.name: place
        for place, argument in enumerate(definition.signature.input_arg)
        if argument.type == tf.resource.as_datatype_enum
    }
    written: set[int | None] = set()
    for node in definition.node_def if arguments else ():
        own = [arguments.get(name.partition(":")[0]) for name in node.input]
        if node.op == "Identity" and own[0] is not None:
            arguments[node.name] = own[0]
        elif node.op in _CALLS:
            inputs = [place for name, place in zip(node.input, own, strict=True) if name[0] != "^"]
            for inner in _definitions(graph, node):
                size = len(inner.signature.input_arg)
                written |= {inputs[p - size] for p in _written_arguments(graph, inner)}
        elif node.op not in _READS:
            written.update(own)
    return {place for place in written if place is not None}


def _draws(graph: Any, op: Any) -> bool:
    """Whether an operation, or one in a graph that it runs, draws random numbers."""
    if op.type in _DRAWS:
        return not op.type.startswith("Fractional") or not op.get_attr("deterministic")
    return op.type in _CALLS and any(
        node.op in _DRAWS
        for definition in _all_definitions(graph, op.node_def)
        for node in definition.node_def
    )


def _all_definitions(graph: Any, node: Any) -> Iterator[Any]:
    for definition in _definitions(graph, node):
        yield definition
        for inner in definition.node_def:
            if inner.op in _CALLS:
                yield from _all_definitions(graph, inner)


def _definitions(graph: Any, node: Any) -> Iterator[Any]:
    """The functions that a node runs."""
    for attribute in node.attr.values():
        for function in (attribute.func, *attribute.list.func):
            known = graph._get_function(function.name) if function.name else None
            if known is not None:
                yield known.cached_definition


def _is_seeded(op: Any, states: set[str]) -> bool:
    """Whether an operation draws random numbers from a state that changes."""
    draws = op.type.startswith(("StatelessRandom", "StatelessTruncated"))
    return bool(states) and draws and not states.isdisjoint(ancestors(op.outputs[0]))


def _place(model: Any, calls: Sequence[Call], op: Any) -> str:
    layer = innermost(calls, op)
    return f"its layer {layer.name!r}" if layer is not None else f"{model.name!r} itself"


def _name(model: Any, graph: Any, handle: Any) -> str:
    """The name of the variable that a handle in the graph stands for, in quotes."""
    known = [(v.path, v.value) for v in model.variables]
    for layer in (model, *model._flatten_layers(include_self=False)):
        own = vars(layer).items()
        known += [(f"{layer.name}.{n}", v) for n, v in own if isinstance(v, tf.Variable)]
    names = (name for name, variable in known if _captured(graph, variable) is handle)
    return next(map(repr, names), "a variable that is not the model's")


def _captured(graph: Any, variable: Any) -> Any:
    """The tensor that stands for a variable's handle in the graph; None if it is not used there."""
    return next((inner for outer, inner in graph.captures if outer is variable.handle), None)
