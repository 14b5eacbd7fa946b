"""DeepLIFT's rules: how an operation sends multipliers back, by values and those of a baseline.

The baseline is the last image of every batch. A rule returns a signal for each input that depends
on the images. Times the differences of these inputs from the baseline's, they sum to the signal
times the difference of the output. (Shrikumar et al., 2017.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from saliency_bench.network.image_rows import ImageRows
from saliency_bench.network.operations import PRODUCTS, UNARY
from saliency_bench.network.overrides import ordinary_gradient, rerun

Pair = tuple[Any, Any]
"""Values of each row, and what the baseline has in their place."""


@dataclass(frozen=True)
class Step:
    """An operation that depends on the images.

    Attributes:
        op: the operation.
        indices: of its inputs that depend on the images.
        rows: where the images lie in each of these inputs, and in the output.
        scales: those of the indices whose input is a reciprocal, as `1 / std` is.
    """

    op: Any
    indices: list[int]
    rows: Mapping[Any, ImageRows]
    scales: tuple[int, ...] = ()

    @property
    def output(self) -> Pair:
        """The output's values."""
        return self._pair(self.op.outputs[0])

    def input(self, index: int) -> Pair:
        """An input's values; a constant has the same at the baseline."""
        return self._pair(self.op.inputs[index])

    def _pair(self, tensor: Any) -> Pair:
        rows = self.rows.get(tensor.ref())
        return tensor, tensor if rows is None else rows.last(tensor)


SlopeRule = Callable[[Step, Any], list[Any]]
"""From an operation and the signal at its output to the signals at its data."""

STRAIGHT = frozenset({"Abs", "LeakyRelu", "Maximum", "Minimum", "Relu", "Relu6"})
"""Piecewise linear operations, whose slope is exact even for a small change."""

NEAR = 1e-4
"""Below this relative difference from the baseline's value, the gradient replaces the slope."""

SMALL = 1e-3
"""Differences of exponents below which the mean of two powers is their slope, to 1e-7."""


def _change(pair: Pair) -> Any:
    """The difference from the baseline; none where both are the same infinity, as in a mask."""
    own, baseline = pair
    return tf.where(tf.equal(own, baseline), tf.zeros_like(own), own - baseline)


def _slopes(step: Step, signal: Any) -> list[Any]:
    """The signal times the slope between each row and the baseline.

    No signal stays none, and a value that stays where the gradient is infinite, as that of a root
    at 0, gets none.
    """
    op, (index,) = step.op, step.indices
    values, outputs = step.input(index), step.output
    change = _change(values)
    slope = tf.math.divide_no_nan(outputs[0] - outputs[1], change)
    sent = tf.math.multiply_no_nan(slope, signal)
    if op.type in STRAIGHT:
        return [sent]
    near = tf.abs(change) <= NEAR * tf.abs(values[1])
    tangent = ordinary_gradient(op, index, signal)
    tangent = tf.where(tf.math.is_finite(tangent), tangent, tf.zeros_like(tangent))
    return [tf.where(near, tangent, sent)]


def _maxima(step: Step, signal: Any) -> list[Any]:
    """Send increases to the image's maxima and decreases to the baseline's."""
    op, values, outputs = step.op, step.input(step.indices[0]), step.output
    rise = _change(outputs)
    increases = _route(op, values[0], outputs[0], signal * tf.nn.relu(rise))
    baseline, maxima = (tf.broadcast_to(old, tf.shape(new)) for new, old in (values, outputs))
    decreases = _route(op, baseline, maxima, signal * tf.minimum(rise, 0))
    return [tf.math.divide_no_nan(increases + decreases, _change(values))]


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


def _midpoint(step: Step, signal: Any) -> list[Any]:
    """The gradient halfway between each row and the baseline: exact for what is quadratic.

    So a factor's signal is that of the product, times the mean of the other factor's two values.
    """
    middles = {i: _middle(step.input(i)) for i in step.indices}
    return list(tf.gradients(rerun(step.op, middles), list(middles.values()), signal))


def _product(step: Step, signal: Any) -> list[Any]:
    """The midpoint of two factors; `x * (1 / b)` is the quotient that it is."""
    if len(step.scales) != 1:
        return _midpoint(step, signal)
    (scale,) = step.scales
    other = 1 - scale
    parts = _scaled(step.input(other), step.input(scale), signal)
    by_input = dict(zip((other, scale), parts, strict=True))
    return [by_input[index] for index in step.indices]


def _quotient(step: Step, signal: Any) -> list[Any]:
    """`a / b` is `a` scaled by `1 / b`, whose slope is `-1 / (b b')`."""
    own, baseline = step.input(1)
    inverse = 1 / own, 1 / baseline
    of_numerator, of_inverse = _scaled(step.input(0), inverse, signal)
    signals = {0: of_numerator, 1: -of_inverse * inverse[0] * inverse[1]}
    return [signals[index] for index in step.indices]


def _scaled(values: Pair, scales: Pair, signal: Any) -> list[Any]:
    """Signals at the factors of `y = x s`, where `s = 1 / b` is huge if `b` is near 0.

    `y - y'` is both `s (x - x') + x' (s - s')` and `s' (x - x') + x (s - s')`. The mean of the two
    is exact, too, but at `b' = 0` half of `s'` is sent back by it. So each is counted by the square
    of its own `b`: `w = s'^2 / (s^2 + s'^2)` for the first, `1 - w` for the second. The differences
    then have the factors

    `(b + b') / (b^2 + b'^2)` of `x - x'`, and `-(b y' + b' y) / (b^2 + b'^2)` of `b - b'`,

    which are bounded by the larger of the two `b`, however small the other is. At `b' = 0` and
    `y' = 0` they are `1 / b` and 0: the scale is a constant, as for LRP (Ali et al., 2022). Near
    the baseline they are the gradient halfway.

    Args:
        values: the factor `x`.
        scales: the factor `s`.
        signal: the signal at the product.
    """
    own, baseline = _share(*scales), _share(*scales[::-1])
    x, s = map(tf.identity, (values[0], scales[0]))
    to_values = tf.gradients(x * (own * scales[0] + baseline * scales[1]), x, signal)
    to_scale = tf.gradients((own * values[1] + baseline * values[0]) * s, s, signal)
    return [*to_values, *to_scale]


def _share(scale: Any, other: Any) -> Any:
    """`other^2 / (scale^2 + other^2)`, without the squares of huge numbers."""
    half = tf.cast(0.5, scale.dtype)
    return tf.where(tf.equal(scale, other), half, 1 / (1 + tf.square(scale / other)))


def _softmax(step: Step, signal: Any) -> list[Any]:
    """`exp(u)` with `u = x - log(sum(exp(x)))`: an exponential, a sum and a logarithm.

    Exponents are shifted by the larger of the two maxima, so that none overflows.
    """
    values, outputs = step.input(step.indices[0]), step.output
    highest = tf.maximum(*_each(tf.reduce_max, values))
    exponents = values[0] - highest, values[1] - highest
    logarithms = _each(tf.reduce_logsumexp, exponents)
    powers = tf.exp(exponents[0]), tf.exp(exponents[1])
    totals = _each(tf.reduce_sum, powers)
    differences = exponents[0] - logarithms[0], exponents[1] - logarithms[1]
    at_difference = signal * _power_slope(differences, outputs)
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
    change = _change(values)
    slope = tf.math.divide_no_nan(outputs[0] - outputs[1], change)
    return tf.where(tf.abs(change) <= tf.cast(small, change.dtype), tangent, slope)


def _middle(pair: Pair) -> Any:
    """The mean of each row and the baseline."""
    return (pair[0] + pair[1]) / 2


def _through(step: Step, signal: Any) -> list[Any]:
    return [signal]


SLOPE_RULES: Mapping[str, SlopeRule] = {
    **dict.fromkeys(UNARY, _slopes),
    **dict.fromkeys([*PRODUCTS, "SquaredDifference"], _midpoint),
    "MaxPool": _maxima,
    "Mul": _product,
    "RealDiv": _quotient,
    "Softmax": _softmax,
    "StopGradient": _through,
}
"""The rule of each type of operation that is not linear; all others keep their gradient."""


def is_linear(op: Any, indices: list[int]) -> bool:
    """Whether an operation with a rule is linear in its data, as a product with a constant is."""
    return (op.type in PRODUCTS and len(indices) == 1) or (op.type == "RealDiv" and indices == [0])
