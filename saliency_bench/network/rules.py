"""A changed backward pass at an operation, installed while a graph is traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from saliency_bench.protocols import NotApplicable

_RELU_GRADIENTS = {"Relu": tf.raw_ops.ReluGrad, "Relu6": tf.raw_ops.Relu6Grad}
_GUIDED = "SaliencyBenchGuided"


def _register(kind: str) -> None:
    ordinary = _RELU_GRADIENTS[kind]

    def guided(op: Any, gradient: Any) -> Any:
        return ordinary(gradients=tf.nn.relu(gradient), features=op.outputs[0])

    tf.RegisterGradient(_GUIDED + kind)(guided)


for _kind in _RELU_GRADIENTS:
    _register(_kind)


@contextmanager
def guided_relu() -> Iterator[None]:
    """Every ReLU created inside passes back positive gradients only (Springenberg et al., 2015).

    `R_in = 1[x > 0] 1[R_out > 0] R_out`, for Relu and Relu6 operations of the graph being traced.

    Raises:
        NotApplicable: on leaving, if there was no ReLU, or one that the override cannot reach.
    """
    graph = tf.compat.v1.get_default_graph()
    before = len(graph.get_operations())
    with graph.gradient_override_map({kind: _GUIDED + kind for kind in _RELU_GRADIENTS}):
        yield
    _prove_override(graph, before)


def _prove_override(graph: Any, before: int) -> None:
    relus = [op for op in graph.get_operations()[before:] if op.type in _RELU_GRADIENTS]
    overridden = [
        op for op in relus if op.get_attr("_gradient_op_type").startswith(_GUIDED.encode())
    ]
    hidden = [
        node.op
        for function in graph.as_graph_def().library.function
        for node in function.node_def
        if node.op in _RELU_GRADIENTS
    ]
    if hidden or len(overridden) != len(relus):
        total = len(relus) + len(hidden)
        raise NotApplicable(f"only {len(overridden)} of the {total} ReLUs can be overridden")
    if not relus:
        raise NotApplicable("the network has no ReLU to guide the gradient through")
