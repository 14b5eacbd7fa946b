"""A changed pass at operations: what goes forward into a graph, and what comes back through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import tensorflow as tf

from saliency_bench.network.trace import Call
from saliency_bench.protocols import NotApplicable

Backward = Callable[[Any, Any], Sequence[Any]]
"""An operation and the signal at its output, to the signals at its inputs (None: none)."""

_OVERRIDE = "SaliencyBenchRule"
_IN_FORCE: ContextVar[Backward] = ContextVar("rule_in_force")


def _dispatch(op: Any, signal: Any) -> Any:
    return _IN_FORCE.get()(op, signal)


tf.RegisterGradient(_OVERRIDE)(_dispatch)


@dataclass(frozen=True)
class Path:
    """The operations that lead from the images to the scores, in the order they run.

    Attributes:
        images: the tensor the model was given.
        scores: the tensor that is explained.
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
        wanted = {self.scores.ref()}
        found = []
        for op in reversed(every):
            if any(tensor.ref() in wanted for tensor in op.outputs):
                own = {tensor.ref() for tensor in op.inputs} & dependent
                wanted |= own
                found += [op] if own else []
        return found[::-1]

    @cached_property
    def _members(self) -> set[str]:
        return {op.name for op in self.operations}

    def data(self, op: Any) -> list[int]:
        """Which of an operation's inputs depend on the images."""
        return [
            index
            for index, tensor in enumerate(op.inputs)
            if tensor is self.images or tensor.op.name in self._members
        ]

    def consumers(self, tensor: Any) -> list[Any]:
        """The operations on the path that a tensor goes into."""
        return [op for op in tensor.consumers() if op.name in self._members]

    def layer(self, op: Any) -> str:
        """The name of the innermost layer that made an operation; its own name outside layers."""
        around = [call for call in self.calls if op.name in call.operations]
        innermost = min(around, key=lambda call: len(call.operations), default=None)
        return str(op.name if innermost is None else innermost.layer.name)


class Rule(ABC):
    """A change of what goes forward or backward while a model is traced; no model is cloned.

    A subclass names the operations it changes, by type, and says what comes back through one.
    Everything else keeps its gradient, so what `tf.gradients` finds is the changed signal.
    """

    types: ClassVar[frozenset[str]]

    def forward(self, images: Any) -> Any:
        """What the model is given; rows may be added behind those of the images."""
        return images

    @abstractmethod
    def backward(self, path: Path) -> Backward:
        """What sends a signal back through an operation of this graph.

        Raises:
            NotApplicable: if the rule cannot serve the graph, with the layer that it cannot.
        """

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Operations of these types that are created inside are changed."""
        graph = tf.compat.v1.get_default_graph()
        with graph.gradient_override_map(dict.fromkeys(self.types, _OVERRIDE)):
            yield

    @contextmanager
    def in_force(self, path: Path) -> Iterator[None]:
        """Gradients that are taken inside are the changed signals."""
        token = _IN_FORCE.set(self.backward(path))
        try:
            yield
        finally:
            _IN_FORCE.reset(token)


def again(op: Any, inputs: Mapping[int, Any]) -> Any:
    """The output of an operation run anew, on other tensors in place of some of its inputs.

    Its gradient is the ordinary one.
    """
    given = [inputs.get(index, tensor) for index, tensor in enumerate(op.inputs)]
    settings = {k: v for k, v in op.node_def.attr.items() if k != "_gradient_op_type"}
    graph = tf.compat.v1.get_default_graph()
    copy = graph.create_op(
        op.type, given, [out.dtype for out in op.outputs], attrs=settings, op_def=op.op_def
    )
    return copy.outputs[0]


def ordinary(op: Any, index: int, signal: Any) -> Any:
    """The ordinary gradient through one operation, at one of its inputs."""
    if op.type in _BY_OUTPUT:
        # The general way would run the operation again.
        return _BY_OUTPUT[op.type](signal, op.outputs[0])
    values = tf.identity(op.inputs[index])
    (gradient,) = tf.gradients(again(op, {index: values}), values, signal)
    return gradient


_BY_OUTPUT: Mapping[str, Callable[[Any, Any], Any]] = {
    "Relu": lambda signal, output: tf.raw_ops.ReluGrad(gradients=signal, features=output),
    "Relu6": lambda signal, output: tf.raw_ops.Relu6Grad(gradients=signal, features=output),
    "Elu": lambda signal, output: tf.raw_ops.EluGrad(gradients=signal, outputs=output),
    "Selu": lambda signal, output: tf.raw_ops.SeluGrad(gradients=signal, outputs=output),
    "Sigmoid": lambda signal, output: tf.raw_ops.SigmoidGrad(y=output, dy=signal),
    "Tanh": lambda signal, output: tf.raw_ops.TanhGrad(y=output, dy=signal),
}
"""Gradients that need the output only."""


def require_known(path: Path, types: Iterable[str]) -> None:
    """Raise `NotApplicable`, with the layer, if an operation on the path is of no known type."""
    for op in path.operations:
        attribute = op.node_def.attr.get("_gradient_op_type")
        own = attribute is not None and attribute.s.startswith(b"CustomGradient")
        if own or op.type not in types:
            what = "a gradient of its own" if own else f"the operation {op.type}"
            raise NotApplicable(f"the layer {path.layer(op)!r} has no rule: it has {what}")


class ReluRule(Rule):
    """A rule of ReLUs; a network without one, or with one out of reach, is refused."""

    types = frozenset({"Relu", "Relu6"})

    @abstractmethod
    def at(self, op: Any, signal: Any) -> Any:
        """The signal that goes back through a ReLU."""

    def backward(self, path: Path) -> Backward:
        """Prove that every ReLU is overridden."""
        graph = path.scores.graph
        relus = [op for op in graph.get_operations() if op.type in self.types]
        reached = [op for op in relus if _is_overridden(op)]
        hidden = [
            node.op
            for function in graph.as_graph_def().library.function
            for node in function.node_def
            if node.op in self.types
        ]
        if hidden or len(reached) != len(relus):
            total = len(relus) + len(hidden)
            raise NotApplicable(f"only {len(reached)} of the {total} ReLUs can be overridden")
        if not relus:
            raise NotApplicable("the network has no ReLU to guide the gradient through")
        return lambda op, signal: [self.at(op, signal)]


def _is_overridden(op: Any) -> bool:
    attribute = op.node_def.attr.get("_gradient_op_type")
    return attribute is not None and attribute.s.decode() == _OVERRIDE


class GuidedRelu(ReluRule):
    """ReLUs pass back positive signals where they are open (Springenberg et al., 2015).

    `R_in = 1[x > 0] 1[R_out > 0] R_out`.
    """

    def at(self, op: Any, signal: Any) -> Any:
        """The ordinary gradient of the positive part."""
        return ordinary(op, 0, tf.nn.relu(signal))


class DeconvRelu(ReluRule):
    """ReLUs pass back positive signals whether they are open or not (Zeiler & Fergus, 2014).

    `R_in = 1[R_out > 0] R_out`.
    """

    def at(self, op: Any, signal: Any) -> Any:
        """The positive part."""
        return tf.nn.relu(signal)
