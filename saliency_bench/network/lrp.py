"""Relevance in place of the gradient: the score, handed back from layer to layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from saliency_bench.network.batches import Kernel
from saliency_bench.network.forward import Traced
from saliency_bench.network.gradients import derivative
from saliency_bench.network.linear_maps import (
    CORES,
    MOVES,
    POOLS,
    SHIFTS,
    SUMS,
    Linear,
    linear_maps,
)
from saliency_bench.network.lrp_rules import LayerRule
from saliency_bench.network.overrides import Backward, Path, Rule, require_known
from saliency_bench.protocols import Output

ACTIVATIONS = frozenset({
    "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign",
})  # fmt: skip
"""Operations of one value each: its relevance goes back as it came."""

Place = str
"""Where a linear map stands: `input`, `convolution` or `dense`."""


@dataclass(frozen=True)
class Relevance(Rule):
    """Relevance in place of the gradient: `grad_ys` is that of the output.

    Attributes:
        choose: the rule of a linear map, by its place and its layer's name.
    """

    types = SHIFTS | SUMS | POOLS | ACTIVATIONS | CORES.keys()

    choose: Callable[[Place, str], LayerRule]

    def backward(self, path: Path) -> Backward:
        """Every operation has a rule: of the linear map that it is the entry of, or none to add."""
        require_known(path, self.types | MOVES)
        entries = {linear.entry.name: linear for linear in linear_maps(path)}
        places = dict(_places(path, entries))

        def back(op: Any, relevance: Any) -> list[Any]:
            linear = entries.get(op.name)
            rule = None if linear is None else self.choose(places[op.name], path.layer(op))
            found = [relevance] if rule is None or linear is None else rule(linear, relevance)
            at = dict(zip(path.data(op), found, strict=True))
            return [at.get(index) for index in range(len(op.inputs))]

        return back


def relevance(
    model: Any,
    choose: Callable[[Place, str], LayerRule],
    output: Output = "logit",
    *,
    magnitude: bool = False,
) -> Kernel:
    """Images `[N, H, W, C]` and targets to the relevance of each value, same shape.

    Args:
        model: any built Keras model.
        choose: the rule of a linear map, by its place and its layer's name.
        output: what is handed back.
        magnitude: hand back the score's magnitude, not the score.

    Raises:
        NotApplicable: if an operation has no rule, with its layer.
    """

    def body(traced: Traced) -> Any:
        score = traced.target_scores
        return derivative(score, traced.images, start=tf.abs(score) if magnitude else score)

    return Kernel(model, body, output, rule=Relevance(choose))


def _places(path: Path, entries: dict[str, Linear]) -> dict[str, Place]:
    """Where each linear map stands; those with a kernel and none before them at the input."""
    behind: set[str] = set()
    """Names of operations behind a kernel."""
    places = {}
    for op in path.operations:
        inputs = {op.inputs[index].op.name for index in path.data(op)}
        linear = entries.get(op.name)
        kernel = linear is not None and linear.kind == "kernel"
        if linear is not None:
            first = kernel and not inputs & behind
            flat = op.outputs[0].shape.rank == 2 and op.type not in POOLS
            places[op.name] = "input" if first else "dense" if flat else "convolution"
        if kernel or inputs & behind:
            behind.add(op.name)
    return places
