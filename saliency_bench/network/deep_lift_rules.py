"""DeepLIFT's rules: how an operation sends multipliers back, by values and those of a baseline.

The baseline is the last row of every batch. A rule returns a signal for each input that depends on
the images. Times the differences of these inputs from the baseline's, they sum to the signal times
the difference of the output. (Shrikumar et al., 2017.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from saliency_bench.network.operations import PRODUCTS, UNARY
from saliency_bench.network.overrides import ordinary_gradient, rerun

SlopeRule = Callable[[Any, list[int], Any], list[Any]]
"""From an operation, the indices of its data and the signal at its output to theirs."""

Pair = tuple[Any, Any]
"""Values of each row, and what the baseline has in their place."""

STRAIGHT = frozenset({"Abs", "LeakyRelu", "Maximum", "Minimum", "Relu", "Relu6"})
"""Piecewise linear operations, whose slope is exact even for a small change."""

NEAR = 1e-4
"""Below this relative difference from the baseline's value, the gradient replaces the slope."""

SMALL = 1e-3
"""Differences of exponents below which the mean of two powers is their slope, to 1e-7."""


def _slopes(op: Any, indices: list[int], signal: Any) -> list[Any]:
    """The signal times the slope between each row and the baseline."""
    (index,) = indices
    values, outputs = op.inputs[index], op.outputs[0]
    change = values - values[-1:]
    slope = tf.math.divide_no_nan(outputs - outputs[-1:], change)
    if op.type in STRAIGHT:
        return [signal * slope]
    near = tf.abs(change) <= NEAR * tf.abs(values[-1:])
    return [tf.where(near, ordinary_gradient(op, index, signal), signal * slope)]


def _maxima(op: Any, indices: list[int], signal: Any) -> list[Any]:
    """Send increases to the image's maxima and decreases to the baseline's."""
    values, outputs = op.inputs[indices[0]], op.outputs[0]
    rise = outputs - outputs[-1:]
    increases = _route(op, values, outputs, signal * tf.nn.relu(rise))
    baseline, maxima = (tf.zeros_like(tensor) + tensor[-1:] for tensor in (values, outputs))
    decreases = _route(op, baseline, maxima, signal * tf.minimum(rise, 0))
    return [tf.math.divide_no_nan(increases + decreases, values - values[-1:])]


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


def _midpoint(op: Any, indices: list[int], signal: Any) -> list[Any]:
    """The gradient halfway between each row and the baseline: exact for what is quadratic.

    So a factor's signal is that of the product, times the mean of the other factor's two values.
    """
    middles = {i: _middle(op.inputs[i]) for i in indices}
    return list(tf.gradients(rerun(op, middles), list(middles.values()), signal))


def _quotient(op: Any, indices: list[int], signal: Any) -> list[Any]:
    """`a / b` is the product of `a` and `1 / b`, whose slope is `-1 / (b b')`."""
    inverse = 1 / op.inputs[1]
    numerator = _middle(op.inputs[0]) if 0 in indices else op.inputs[0]
    factors = [numerator, _middle(inverse)]
    own, of_inverse = tf.gradients(factors[0] * factors[1], factors, signal)
    signals = {0: own, 1: -of_inverse * inverse * inverse[-1:]}
    return [signals[index] for index in indices]


def _softmax(op: Any, indices: list[int], signal: Any) -> list[Any]:
    """`exp(u)` with `u = x - log(sum(exp(x)))`: an exponential, a sum and a logarithm.

    Exponents are shifted by the larger of the two maxima, so that none overflows.
    """
    values, outputs = op.inputs[indices[0]], op.outputs[0]
    highest = tf.reduce_max(values, axis=-1, keepdims=True)
    highest = tf.maximum(highest, highest[-1:])
    exponents = values - highest, values[-1:] - highest
    logarithms = _each(tf.reduce_logsumexp, exponents)
    powers = tf.exp(exponents[0]), tf.exp(exponents[1])
    totals = _each(tf.reduce_sum, powers)
    differences = exponents[0] - logarithms[0], exponents[1] - logarithms[1]
    at_difference = signal * _power_slope(differences, (outputs, outputs[-1:]))
    near = SMALL * totals[0]
    per_total = _secant(totals, logarithms, 2 / (totals[0] + totals[1]), near)
    total = tf.reduce_sum(at_difference, axis=-1, keepdims=True)
    return [at_difference - total * per_total * _power_slope(exponents, powers)]


def _each(reduce: Callable[..., Any], pair: Pair) -> Pair:
    own, baselines = (reduce(tensor, axis=-1, keepdims=True) for tensor in pair)
    return own, baselines


def _power_slope(exponents: Pair, powers: Pair) -> Any:
    return _secant(exponents, powers, (powers[0] + powers[1]) / 2, SMALL)


def _secant(values: Pair, outputs: Pair, tangent: Any, small: Any) -> Any:
    """The slope between each row and the baseline; the tangent's where values differ by little."""
    change = values[0] - values[1]
    slope = tf.math.divide_no_nan(outputs[0] - outputs[1], change)
    return tf.where(tf.abs(change) <= tf.cast(small, change.dtype), tangent, slope)


def _middle(tensor: Any) -> Any:
    """The mean of each row and the baseline."""
    return (tensor + tensor[-1:]) / 2


def _through(op: Any, indices: list[int], signal: Any) -> list[Any]:
    return [signal]


SLOPE_RULES: Mapping[str, SlopeRule] = {
    **dict.fromkeys(UNARY, _slopes),
    **dict.fromkeys([*PRODUCTS, "SquaredDifference"], _midpoint),
    "MaxPool": _maxima,
    "RealDiv": _quotient,
    "Softmax": _softmax,
    "StopGradient": _through,
}
"""The rule of each type of operation that is not linear; all others keep their gradient."""


def is_linear(op: Any, indices: list[int]) -> bool:
    """Whether an operation with a rule is linear in its data, as a product with a constant is."""
    return (op.type in PRODUCTS and len(indices) == 1) or (op.type == "RealDiv" and indices == [0])
