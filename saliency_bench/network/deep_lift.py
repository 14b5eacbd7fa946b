"""DeepLIFT's rescale rule: slopes between activations of image and baseline replace gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from saliency_bench.network.activations import silu_as_product
from saliency_bench.network.batches import Kernel
from saliency_bench.network.deep_lift_rules import SLOPE_RULES, Step, is_linear
from saliency_bench.network.forward import Traced
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.network.gradients import derivative
from saliency_bench.network.image_rows import image_rows
from saliency_bench.network.normalizers import reciprocals
from saliency_bench.network.operations import (
    CORES,
    MATRICES,
    MOVES,
    POOLS,
    SHIFTS,
    SUMS,
    UNARY,
)
from saliency_bench.network.overrides import (
    Backward,
    Rule,
    no_rule,
    ordinary_gradient,
    require_known,
)
from saliency_bench.network.path import Path
from saliency_bench.protocols import Output

_SINGLE = UNARY | (CORES.keys() - MATRICES)
"""Operations that have a rule for one input that depends on the images, not for two."""


@dataclass(frozen=True)
class Rescale(Rule):
    """Activations pass back slopes `(f(x) - f(r)) / (x - r)` (Shrikumar et al., 2017).

    The baseline r passes through the model as one more row of every batch. `tf.gradients` then
    returns multipliers: times the image minus the baseline, they sum to the difference of the
    scores. A max pool sends an increase to the position of the image's maximum, and a decrease to
    that of the baseline's. A product of two tensors, as in a gate, uses the mean of each factor's
    two values. A quotient, as in a normalisation, uses a mean in which the larger divisor counts
    more, so that a divisor near 0 does not blow it up. A softmax is made of such steps.

    Attributes:
        baseline: from images `[B, H, W, C]` to the baseline `[1, H, W, C]`, inside the graph.
    """

    types = frozenset(SLOPE_RULES)

    baseline: Callable[[Any], Any]

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """As for every rule; SiLU is the product that it is."""
        with silu_as_product(), super().tracing():
            yield

    def forward(self, images: Any) -> Any:
        """Append the baseline to the images."""
        return tf.concat([images, self.baseline(images)], axis=0)

    def backward(self, path: Path) -> Backward:
        """Send a signal back through an operation by its slope, or unchanged if it is linear."""
        require_known(path, self.types | CORES.keys() | MOVES | POOLS | SHIFTS | SUMS)
        for op in path.operations:
            if op.type in _SINGLE and len(path.data(op)) > 1:
                raise no_rule(path, op, f"{op.type} of two tensors that depend on the image")
            if path.chooses(op):  # image and baseline may choose differently
                raise no_rule(path, op, "a choice that depends on the image")
        steps = _steps(path)
        images = tf.shape(path.images)[0] + 1

        def back(op: Any, signal: Any) -> list[Any]:
            indices = path.data(op)
            if op.name not in steps:
                (index,) = indices
                own = ordinary_gradient(op, index, signal)
                return [own if i == index else None for i in range(len(op.inputs))]
            step = steps[op.name]
            tf.debugging.assert_equal(
                [step.rows[op.inputs[i].ref()].holds(op.inputs[i], images) for i in indices],
                True,
                f"{path.layer(op)} must keep the rows of an image together",
            )
            by_input = dict(zip(indices, SLOPE_RULES[op.type](step, signal), strict=True))
            return [by_input.get(index) for index in range(len(op.inputs))]

        return back


def _steps(path: Path) -> dict[str, Step]:
    """The operations with a rule that are not linear, by name.

    Raises:
        NotApplicable: if the graph does not tell which values of one belong to an image.
    """
    geometry, inverse = Geometry(path), reciprocals(path)
    steps = {}
    for op in path.operations:
        indices = path.data(op)
        if op.type in SLOPE_RULES and not is_linear(op, indices):
            tensors = [*(op.inputs[index] for index in indices), op.outputs[0]]
            found = {tensor.ref(): image_rows(geometry.axes(tensor)) for tensor in tensors}
            rows = {ref: own for ref, own in found.items() if own is not None}
            if len(rows) < len(found):
                raise no_rule(path, op, f"{op.type} of a batch in which images are not apart")
            scales = tuple(i for i in indices if op.inputs[i].op.name in inverse)
            steps[op.name] = Step(op, indices, rows, scales)
    return steps


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
