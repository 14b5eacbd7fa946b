"""Rules that change the forward or backward pass at operations of a traced model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import keras
import tensorflow as tf

from saliency_bench.network.gates import is_gate, is_maximum
from saliency_bench.network.grouped import give_gradients
from saliency_bench.network.path import Path
from saliency_bench.network.trace import innermost
from saliency_bench.protocols import NotApplicable

Backward = Callable[[Any, Any], Sequence[Any]]
"""From an operation and the signal at its output to the signals at its inputs (None: no signal)."""

_OVERRIDE = "SaliencyBenchRule"
_IN_FORCE: ContextVar[Backward] = ContextVar("rule_in_force")


def _dispatch(op: Any, signal: Any) -> Any:
    return _IN_FORCE.get()(op, signal)


tf.RegisterGradient(_OVERRIDE)(_dispatch)


class Rule(ABC):
    """A change of the forward or backward pass while a model is traced; no model is cloned.

    A subclass names the types of operations that it changes, and the signal that passes back
    through one. All others keep their gradient, so `tf.gradients` returns the changed signal.

    Attributes:
        types: the operation types that it changes.
    """

    types: ClassVar[frozenset[str]]

    def forward(self, images: Any) -> Any:
        """The input of the model for `images` `[B, H, W, C]`; a rule may append rows."""
        return images

    @abstractmethod
    def backward(self, path: Path) -> Backward:
        """The function that sends a signal back through an operation of this graph.

        Raises:
            NotApplicable: if the rule cannot serve the graph; the message names the layer.
        """

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """A block in which new operations of these types get the changed gradient."""
        graph = tf.compat.v1.get_default_graph()
        with graph.gradient_override_map(dict.fromkeys(self.types, _OVERRIDE)):
            yield

    @contextmanager
    def in_force(self, path: Path) -> Iterator[None]:
        """A block in which gradients are the changed signals."""
        token = _IN_FORCE.set(self.backward(path))
        try:
            yield
        finally:
            _IN_FORCE.reset(token)


def rerun(op: Any, inputs: Mapping[int, Any]) -> Any:
    """The output of a copy of an operation, with its ordinary gradient.

    Args:
        op: the operation.
        inputs: tensors, by index, that replace inputs of the operation.
    """
    tensors = [inputs.get(index, tensor) for index, tensor in enumerate(op.inputs)]
    settings = {k: v for k, v in op.node_def.attr.items() if k != "_gradient_op_type"}
    graph = tf.compat.v1.get_default_graph()
    copy = graph.create_op(
        op.type, tensors, [out.dtype for out in op.outputs], attrs=settings, op_def=op.op_def
    )
    give_gradients([copy])
    return copy.outputs[0]


def ordinary_gradient(op: Any, index: int, signal: Any) -> Any:
    """The ordinary gradient of an operation.

    Args:
        op: the operation.
        index: of the input with respect to which it is differentiated.
        signal: the signal at its output.
    """
    if op.type in _BY_OUTPUT:
        # The general way below would compute the operation twice.
        return _BY_OUTPUT[op.type](signal, op.outputs[0])
    values = tf.identity(op.inputs[index])
    (gradient,) = tf.gradients(rerun(op, {index: values}), values, signal)
    return gradient


_BY_OUTPUT: Mapping[str, Callable[[Any, Any], Any]] = {
    "Relu": lambda signal, output: tf.raw_ops.ReluGrad(gradients=signal, features=output),
    "Relu6": lambda signal, output: tf.raw_ops.Relu6Grad(gradients=signal, features=output),
    "Elu": lambda signal, output: tf.raw_ops.EluGrad(gradients=signal, outputs=output),
    "Selu": lambda signal, output: tf.raw_ops.SeluGrad(gradients=signal, outputs=output),
    "Sigmoid": lambda signal, output: tf.raw_ops.SigmoidGrad(y=output, dy=signal),
    "Tanh": lambda signal, output: tf.raw_ops.TanhGrad(y=output, dy=signal),
}
"""Gradients that need only the operation's output."""


def require_known(path: Path, types: Iterable[str], besides: Collection[str] = ()) -> None:
    """Raise `NotApplicable`, naming the layer, if an operation on the path has no known type.

    Args:
        path: the path from images to scores.
        types: the known types.
        besides: names of operations that may have another type.
    """
    for op in path.operations:
        if op.name in besides:
            continue
        attribute = op.node_def.attr.get("_gradient_op_type")
        own = attribute is not None and attribute.s.startswith(b"CustomGradient")
        if own or op.type not in types:
            raise no_rule(path, op)


def no_rule(path: Path, op: Any, lacking: str | None = None) -> NotApplicable:
    """The error that a layer has no rule.

    Args:
        path: the path from images to scores.
        op: an operation on it.
        lacking: what has no rule; default: the layer's activation, else all of the layer.
    """
    layer = innermost(path.calls, op)
    if layer is None:
        return NotApplicable(f"the operation {op.type} has no rule ({op.name}, outside of layers)")
    kind = type(layer).__name__
    applies = hasattr(layer, "activation") and not isinstance(layer, keras.layers.RNN)
    if lacking is None and applies:
        lacking = getattr(layer.activation, "__name__", op.type)
    what = kind if lacking is None else f"{kind} with {lacking}"
    return NotApplicable(f"{what} has no rule (layer {layer.name!r})")


class ReluRule(Rule):
    """A rule for ReLUs; it serves only networks in which every ReLU can be overridden.

    Gates, such as the ReLU6 inside a hard sigmoid, are no ReLUs: their gradient stays as it is.
    """

    types = frozenset({"Relu", "Relu6"})

    @abstractmethod
    def at(self, op: Any, signal: Any) -> Any:
        """The signal that passes back through a ReLU."""

    def backward(self, path: Path) -> Backward:
        """Prove that every ReLU is overridden, and return the rule."""
        graph = path.scores.graph
        clips = [op for op in graph.get_operations() if op.type in self.types]
        gates = {op.name for op in clips if is_gate(path, op)}
        relus = [op for op in clips if op.name not in gates]
        overridden = [op for op in relus if _is_overridden(op)]
        hidden = [
            node.op
            for function in graph.as_graph_def().library.function
            for node in function.node_def
            if node.op in self.types
        ]
        # A maximum with 0 is a ReLU too, whose gradient stays the ordinary one.
        hidden += [op.type for op in path.operations if is_maximum(path, op)]
        if hidden or len(overridden) != len(relus):
            total = len(relus) + len(hidden)
            raise NotApplicable(f"only {len(overridden)} of the {total} ReLUs can be overridden")
        if not relus:
            but = f"; its {len(gates)} clips are gates of hard sigmoids" if gates else ""
            raise NotApplicable(f"the network has no ReLU to guide the gradient through{but}")
        return lambda op, signal: [
            ordinary_gradient(op, 0, signal) if op.name in gates else self.at(op, signal)
        ]


def _is_overridden(op: Any) -> bool:
    attribute = op.node_def.attr.get("_gradient_op_type")
    return attribute is not None and attribute.s.decode() == _OVERRIDE


class GuidedRelu(ReluRule):
    """ReLUs pass back positive signals where their input is positive (Springenberg et al., 2015).

    `R_in = 1[x > 0] 1[R_out > 0] R_out`.
    """

    def at(self, op: Any, signal: Any) -> Any:
        """The ordinary gradient of the positive part."""
        return ordinary_gradient(op, 0, tf.nn.relu(signal))


class DeconvRelu(ReluRule):
    """ReLUs pass back positive signals, whatever their input (Zeiler & Fergus, 2014).

    `R_in = 1[R_out > 0] R_out`.
    """

    def at(self, op: Any, signal: Any) -> Any:
        """The positive part."""
        return tf.nn.relu(signal)
