"""Rules that change the forward or backward pass at operations of a traced model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import tensorflow as tf

from saliency_bench.network.trace import Call, innermost
from saliency_bench.protocols import NotApplicable

Backward = Callable[[Any, Any], Sequence[Any]]
"""From an operation and the signal at its output to the signals at its inputs (None: no signal)."""

_OVERRIDE = "SaliencyBenchRule"
_IN_FORCE: ContextVar[Backward] = ContextVar("rule_in_force")


def _dispatch(op: Any, signal: Any) -> Any:
    return _IN_FORCE.get()(op, signal)


tf.RegisterGradient(_OVERRIDE)(_dispatch)


@dataclass(frozen=True)
class Path:
    """The operations that lead from the images to the scores, in execution order.

    Attributes:
        images: the input tensor.
        scores: the explained tensor.
        calls: every layer execution.
    """

    images: Any
    scores: Any
    calls: Sequence[Call]

    @cached_property
    def operations(self) -> list[Any]:
        """Each operation that depends on the images and on which the scores depend."""
        every = self.scores.graph.get_operations()
        dependent = {self.images.ref()}
        for op in every:
            if any(tensor.ref() in dependent for tensor in op.inputs):
                dependent.update(tensor.ref() for tensor in op.outputs if tensor.dtype.is_floating)
        needed = {self.scores.ref()}
        operations = []
        for op in reversed(every):
            if any(tensor.ref() in needed for tensor in op.outputs):
                own = {tensor.ref() for tensor in op.inputs} & dependent
                needed |= own
                operations += [op] if own else []
        return operations[::-1]

    @cached_property
    def _members(self) -> set[str]:
        return {op.name for op in self.operations}

    def data(self, op: Any) -> list[int]:
        """Indices of an operation's inputs that depend on the images."""
        return [
            index
            for index, tensor in enumerate(op.inputs)
            if tensor is self.images or tensor.op.name in self._members
        ]

    def consumers(self, tensor: Any) -> list[Any]:
        """The operations on the path that read a tensor."""
        return [op for op in tensor.consumers() if op.name in self._members]

    def layer(self, op: Any) -> str:
        """Name of the innermost layer that created an operation; outside layers its own name."""
        layer = innermost(self.calls, op)
        return str(op.name if layer is None else layer.name)


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


def require_known(path: Path, types: Iterable[str]) -> None:
    """Raise `NotApplicable`, naming the layer, if an operation on the path has no known type."""
    for op in path.operations:
        attribute = op.node_def.attr.get("_gradient_op_type")
        own = attribute is not None and attribute.s.startswith(b"CustomGradient")
        if own or op.type not in types:
            what = "a gradient of its own" if own else f"the operation {op.type}"
            raise NotApplicable(f"the layer {path.layer(op)!r} has no rule: it has {what}")


class ReluRule(Rule):
    """A rule for ReLUs; it serves only networks in which every ReLU can be overridden."""

    types = frozenset({"Relu", "Relu6"})

    @abstractmethod
    def at(self, op: Any, signal: Any) -> Any:
        """The signal that passes back through a ReLU."""

    def backward(self, path: Path) -> Backward:
        """Prove that every ReLU is overridden, and return the rule."""
        graph = path.scores.graph
        relus = [op for op in graph.get_operations() if op.type in self.types]
        overridden = [op for op in relus if _is_overridden(op)]
        hidden = [
            node.op
            for function in graph.as_graph_def().library.function
            for node in function.node_def
            if node.op in self.types
        ]
        if hidden or len(overridden) != len(relus):
            total = len(relus) + len(hidden)
            raise NotApplicable(f"only {len(overridden)} of the {total} ReLUs can be overridden")
        if not relus:
            raise NotApplicable("the network has no ReLU to guide the gradient through")
        return lambda op, signal: [self.at(op, signal)]


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
