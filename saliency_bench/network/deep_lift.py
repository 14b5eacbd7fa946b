"""DeepLIFT's rescale rule: slopes between activations of image and baseline replace gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from saliency_bench.network.batches import Kernel
from saliency_bench.network.forward import Traced
from saliency_bench.network.gradients import derivative
from saliency_bench.network.operations import CORES, MOVES, POOLS, SHIFTS, SUMS
from saliency_bench.network.overrides import (
    Backward,
    Rule,
    no_rule,
    ordinary_gradient,
    require_known,
    rerun,
)
from saliency_bench.network.path import Path
from saliency_bench.protocols import Output

UNARY = frozenset({
    "Abs", "Elu", "Erf", "Erfc", "Exp", "LeakyRelu", "Log", "Maximum", "Minimum", "Relu", "Relu6",
    "Rsqrt", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Square", "Tanh",
})  # fmt: skip
"""Nonlinear operations that act on each value alone."""

STRAIGHT = frozenset({"Abs", "LeakyRelu", "Maximum", "Minimum", "Relu", "Relu6"})
"""Piecewise linear ones, whose slope is exact even for a small change."""

NEAR = 1e-4
"""Below this relative difference from the baseline's value, the gradient replaces the slope."""


@dataclass(frozen=True)
class Rescale(Rule):
    """Activations pass back slopes `(f(x) - f(r)) / (x - r)` (Shrikumar et al., 2017).

    The baseline r passes through the model as one more row of every batch. `tf.gradients` then
    returns multipliers: times the image minus the baseline, they sum to the difference of the
    scores. A max pool sends an increase to the position of the image's maximum, and a decrease to
    that of the baseline's. A product of two tensors, as in a gate, uses the mean of each factor's
    two values.

    Attributes:
        baseline: from images `[B, H, W, C]` to the baseline `[1, H, W, C]`, inside the graph.
    """

    types = UNARY | {"MaxPool", "Mul"}

    baseline: Callable[[Any], Any]

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """As for every rule; SiLU is the product that it is, without a gradient of its own."""
        before = tf.nn.silu, tf.nn.swish
        tf.nn.silu = tf.nn.swish = _silu
        try:
            with super().tracing():
                yield
        finally:
            tf.nn.silu, tf.nn.swish = before

    def forward(self, images: Any) -> Any:
        """Append the baseline to the images."""
        return tf.concat([images, self.baseline(images)], axis=0)

    def backward(self, path: Path) -> Backward:
        """Send a signal back through an operation by its slope, or unchanged if it is linear."""
        require_known(path, self.types | CORES.keys() | MOVES | POOLS | SHIFTS | SUMS)
        single = UNARY | CORES.keys() | {"RealDiv"}
        for op in path.operations:
            divides = op.type == "RealDiv" and path.data(op) != [0]
            if op.type in single and (len(path.data(op)) > 1 or divides):
                raise no_rule(path, op, f"{op.type} of two tensors that depend on the image")
        rows = tf.shape(path.images)[0] + 1

        def back(op: Any, signal: Any) -> list[Any]:
            indices = path.data(op)
            if len(indices) > 1:
                return _product(op, indices, signal)
            (index,) = indices
            values = op.inputs[index]
            tf.debugging.assert_equal(
                tf.shape(values)[0], rows, f"{path.layer(op)} must keep one image per row"
            )
            send = {"Mul": ordinary_gradient, "MaxPool": _send_to_maxima}.get(op.type, _slopes)
            own = send(op, index, signal)
            return [own if i in indices else None for i in range(len(op.inputs))]

        return back


def _silu(features: Any, beta: float = 1.0) -> Any:
    features = tf.convert_to_tensor(features)
    return features * tf.sigmoid(tf.cast(beta, features.dtype) * features)


def _slopes(op: Any, index: int, signal: Any) -> Any:
    """The signal times the slope between each row and the baseline, which is the last row."""
    values, outputs = op.inputs[index], op.outputs[0]
    change = values - values[-1:]
    slope = tf.math.divide_no_nan(outputs - outputs[-1:], change)
    if op.type in STRAIGHT:
        return signal * slope
    near = tf.abs(change) <= NEAR * tf.abs(values[-1:])
    return tf.where(near, ordinary_gradient(op, index, signal), signal * slope)


def _send_to_maxima(op: Any, index: int, signal: Any) -> Any:
    """Send increases to the image's maxima and decreases to the baseline's."""
    values, outputs = op.inputs[index], op.outputs[0]
    rise = outputs - outputs[-1:]
    increases = _route(op, values, outputs, signal * tf.nn.relu(rise))
    baseline, maxima = (tf.zeros_like(tensor) + tensor[-1:] for tensor in (values, outputs))
    decreases = _route(op, baseline, maxima, signal * tf.minimum(rise, 0))
    return tf.math.divide_no_nan(increases + decreases, values - values[-1:])


def _route(op: Any, values: Any, maxima: Any, signal: Any) -> Any:
    """Send a signal to the positions of a max pool's maxima.

    Args:
        op: the max pool.
        values: its inputs.
        maxima: its outputs for these inputs.
        signal: the signal at its outputs.
    """
    names = ("ksize", "strides", "padding", "explicit_paddings", "data_format")
    settings = {name: op.get_attr(name) for name in names}
    return tf.raw_ops.MaxPoolGrad(orig_input=values, orig_output=maxima, grad=signal, **settings)


def _product(op: Any, indices: list[int], signal: Any) -> list[Any]:
    """The signal of each factor of a product: times the mean of the other factor's two values."""
    middles = {i: (op.inputs[i] + op.inputs[i][-1:]) / 2 for i in indices}
    gradients = tf.gradients(rerun(op, middles), list(middles.values()), signal)
    return list(gradients)


def rescale(baseline: Callable[[tuple[int, ...]], Any]) -> Rescale:
    """The rescale rule.

    Args:
        baseline: from a shape `(H, W, C)` to the baseline, which broadcasts to it, model units.
    """

    def row(images: Any) -> Any:
        shape = tuple(images.shape[1:])
        return tf.broadcast_to(tf.cast(baseline(shape), images.dtype), [1, *shape])

    return Rescale(row)


def differences(
    model: Any, baseline: Callable[[tuple[int, ...]], Any], output: Output = "logit"
) -> Kernel:
    """A kernel from images `[N, H, W, C]` and targets to each value's part in a score difference.

    Args:
        model: any built Keras model.
        baseline: from a shape `(H, W, C)` to the baseline, which broadcasts to it, model units.
        output: the output whose difference from that of the baseline is divided.

    Raises:
        NotApplicable: if an operation has no rule; the message names its layer.
    """
    rule = rescale(baseline)

    def body(traced: Traced) -> Any:
        slopes = derivative(traced.target_scores, traced.images)
        return slopes * (traced.images - rule.baseline(traced.images))

    return Kernel(model, body, output, rule=rule)
