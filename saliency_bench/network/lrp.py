"""Relevance instead of the gradient: the score, propagated back from layer to layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from saliency_bench.network.batches import Kernel
from saliency_bench.network.forward import Traced
from saliency_bench.network.gradients import derivative
from saliency_bench.network.linear_maps import Linear, linear_maps
from saliency_bench.network.lrp_rules import LayerRule
from saliency_bench.network.operations import CORES, MOVES, POOLS, SHIFTS, SUMS
from saliency_bench.network.overrides import Backward, Rule, require_known
from saliency_bench.network.path import Path
from saliency_bench.protocols import Output

ACTIVATIONS = frozenset({
    "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign",
})  # fmt: skip
"""Operations that act on each value alone; relevance passes them unchanged."""

Place = str
"""The place of a linear map: `input`, `convolution` or `dense`."""


@dataclass(frozen=True)
class Relevance(Rule):
    """Relevance instead of the gradient; `grad_ys` of `tf.gradients` is the output's relevance.

    Attributes:
        choose: the rule of a linear map, by its place and its layer's name.
    """

    types = SHIFTS | SUMS | POOLS | ACTIVATIONS | CORES.keys()

    choose: Callable[[Place, str], LayerRule]

    def backward(self, path: Path) -> Backward:
        """Apply a linear map's rule at its entry; elsewhere pass relevance on unchanged."""
        require_known(path, self.types | MOVES)
        entries = {linear.entry.name: linear for linear in linear_maps(path)}
        places = dict(_places(path, entries))

        def back(op: Any, relevance: Any) -> list[Any]:
            linear = entries.get(op.name)
            rule = None if linear is None else self.choose(places[op.name], path.layer(op))
            parts = [relevance] if rule is None or linear is None else rule(linear, relevance)
            by_input = dict(zip(path.data(op), parts, strict=True))
            return [by_input.get(index) for index in range(len(op.inputs))]

        return back


def relevance(
    model: Any,
    choose: Callable[[Place, str], LayerRule],
    output: Output = "logit",
    *,
    magnitude: bool = False,
) -> Kernel:
    """A kernel from images `[N, H, W, C]` and targets `[N]` to relevance `[N, H, W, C]`.

    Args:
        model: any built Keras model.
        choose: the rule of a linear map, by its place and its layer's name.
        output: the output that is propagated back.
        magnitude: whether the score's magnitude is propagated instead of the score.

    Raises:
        NotApplicable: if an operation has no rule; the message names its layer.
    """

    def body(traced: Traced) -> Any:
        score = traced.target_scores
        return derivative(score, traced.images, start=tf.abs(score) if magnitude else score)

    return Kernel(model, body, output, rule=Relevance(choose))


def _places(path: Path, entries: dict[str, Linear]) -> dict[str, Place]:
    """The place of each linear map; maps with a kernel and no kernel before them are `input`."""
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
