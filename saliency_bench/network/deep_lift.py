"""DeepLIFT's rescale rule: slopes between an activation and that of a baseline, not gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from saliency_bench.network.batches import Kernel
from saliency_bench.network.forward import Traced
from saliency_bench.network.gradients import derivative
from saliency_bench.network.linear_maps import CORES, MOVES, POOLS, SHIFTS, SUMS
from saliency_bench.network.overrides import Backward, Path, Rule, again, ordinary, require_known
from saliency_bench.protocols import NotApplicable, Output

UNARY = frozenset({
    "Abs", "Elu", "Erf", "Erfc", "Exp", "LeakyRelu", "Log", "Maximum", "Minimum", "Relu", "Relu6",
    "Rsqrt", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Square", "Tanh",
})  # fmt: skip
"""Operations of one value each that are not linear."""

STRAIGHT = frozenset({"Abs", "LeakyRelu", "Maximum", "Minimum", "Relu", "Relu6"})
"""Those made of straight pieces, whose slope is exact however small the change."""

NEAR = 1e-4
"""Values that differ by less than this part of the baseline's have the gradient for a slope."""


@dataclass(frozen=True)
class Rescale(Rule):
    """Activations pass back slopes `(f(x) - f(r)) / (x - r)` (Shrikumar et al., 2017).

    The baseline r goes through the model as one more row of every batch. What `tf.gradients` finds
    are multipliers: times the image less the baseline they sum to the difference of the scores. A
    max pool hands a rise to the place of the image's maximum, a fall to that of the baseline's;
    a product of two tensors, as in a gate, takes the mean of its ends.

    Attributes:
        baseline: images `[B, H, W, C]` to the baseline `[1, H, W, C]`, inside the graph.
    """

    types = UNARY | {"MaxPool", "Mul"}

    baseline: Callable[[Any], Any]

    def forward(self, images: Any) -> Any:
        """The images and, behind them, the baseline."""
        return tf.concat([images, self.baseline(images)], axis=0)

    def backward(self, path: Path) -> Backward:
        """Every operation is linear or has a slope."""
        require_known(path, self.types | CORES.keys() | MOVES | POOLS | SHIFTS | SUMS)
        single = UNARY | CORES.keys() | {"RealDiv"}
        for op in path.operations:
            divides = op.type == "RealDiv" and path.data(op) != [0]
            if op.type in single and (len(path.data(op)) > 1 or divides):
                raise NotApplicable(
                    f"the layer {path.layer(op)!r} has no rule: {op.type} of two tensors that "
                    "depend on the image"
                )
        rows = tf.shape(path.images)[0] + 1

        def back(op: Any, signal: Any) -> list[Any]:
            indices = path.data(op)
            if len(indices) > 1:
                return _product(op, indices, signal)
            (index,) = indices
            values = op.inputs[index]
            tf.debugging.assert_equal(
                tf.shape(values)[0], rows, f"{path.layer(op)} must keep images apart, one a row"
            )
            way = {"Mul": ordinary, "MaxPool": _winners}.get(op.type, _slopes)
            found = way(op, index, signal)
            return [found if i in indices else None for i in range(len(op.inputs))]

        return back


def _slopes(op: Any, index: int, signal: Any) -> Any:
    """The signal times the slope between each row and the last one."""
    values, outputs = op.inputs[index], op.outputs[0]
    change = values - values[-1:]
    slope = tf.math.divide_no_nan(outputs - outputs[-1:], change)
    if op.type in STRAIGHT:
        return signal * slope
    near = tf.abs(change) <= NEAR * tf.abs(values[-1:])
    return tf.where(near, ordinary(op, index, signal), signal * slope)


def _winners(op: Any, index: int, signal: Any) -> Any:
    """Rises to where the image has its maximum, falls to where the baseline has it."""
    values, outputs = op.inputs[index], op.outputs[0]
    rise = outputs - outputs[-1:]
    risen = _routed(op, values, outputs, signal * tf.nn.relu(rise))
    places, maxima = (tf.zeros_like(tensor) + tensor[-1:] for tensor in (values, outputs))
    fallen = _routed(op, places, maxima, signal * tf.minimum(rise, 0))
    return tf.math.divide_no_nan(risen + fallen, values - values[-1:])


def _routed(op: Any, values: Any, maxima: Any, signal: Any) -> Any:
    """A signal sent to where the maxima of a pool lie."""
    names = ("ksize", "strides", "padding", "explicit_paddings", "data_format")
    settings = {name: op.get_attr(name) for name in names}
    return tf.raw_ops.MaxPoolGrad(orig_input=values, orig_output=maxima, grad=signal, **settings)


def _product(op: Any, indices: list[int], signal: Any) -> list[Any]:
    """Each factor's share of a product's change: the mean of the other one's two ends."""
    middles = {i: (op.inputs[i] + op.inputs[i][-1:]) / 2 for i in indices}
    gradients = tf.gradients(again(op, middles), list(middles.values()), signal)
    return list(gradients)


def differences(
    model: Any, baseline: Callable[[tuple[int, ...]], Any], output: Output = "logit"
) -> Kernel:
    """Images `[N, H, W, C]` and targets to each value's part in the difference from a baseline.

    Args:
        model: any built Keras model.
        baseline: of images of a shape `(H, W, C)`, to which it broadcasts, model units.
        output: whose difference is split.

    Raises:
        NotApplicable: if an operation has no rule, with its layer.
    """

    def row(images: Any) -> Any:
        shape = tuple(images.shape[1:])
        return tf.broadcast_to(tf.cast(baseline(shape), images.dtype), [1, *shape])

    def body(traced: Traced) -> Any:
        slopes = derivative(traced.target_scores, traced.images)
        return slopes * (traced.images - row(traced.images))

    return Kernel(model, body, output, rule=Rescale(row))
