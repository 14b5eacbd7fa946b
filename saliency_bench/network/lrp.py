"""Relevance instead of the gradient: the score, propagated back from layer to layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from saliency_bench.network.activations import activations, silu_as_product
from saliency_bench.network.batches import Kernel
from saliency_bench.network.forward import Traced
from saliency_bench.network.gates import gates
from saliency_bench.network.gradients import derivative
from saliency_bench.network.linear import Linear
from saliency_bench.network.linear_maps import linear_maps
from saliency_bench.network.lrp_rules import LayerRule
from saliency_bench.network.normalizers import normalizers
from saliency_bench.network.operations import (
    CORES,
    MATRICES,
    MOVES,
    POOLS,
    SHIFTS,
    SUMS,
    UNARY,
)
from saliency_bench.network.overrides import Backward, Rule, require_known
from saliency_bench.network.path import Path
from saliency_bench.protocols import Output

ACTIVATIONS = frozenset({
    "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign",
})  # fmt: skip
"""Operations that act on each value alone; relevance passes them unchanged."""

Place = str
"""The place of a linear map: `input`, `convolution` or `dense`."""


Products = Literal["signal", "halves"]
"""Where the relevance of a product goes: to the factor that is no gate, or half to each factor."""


@dataclass(frozen=True)
class Relevance(Rule):
    """Relevance instead of the gradient; `grad_ys` of `tf.gradients` is the output's relevance.

    A standard deviation that features are divided by counts as a constant (Ali et al., 2022). An
    activation that is written as a product of functions of one value is an activation.

    Attributes:
        choose: the rule of a linear map, by its place and its layer's name.
        products: `signal`: a gate counts as a constant (Arras et al., 2017; of attention: Ali et
            al., 2022). `halves`: each factor gets half, and a softmax has the rule of its Taylor
            series at its input (Achtibat et al., 2024).
    """

    types = SHIFTS | SUMS | POOLS | ACTIVATIONS | CORES.keys() | UNARY | {"Softmax"}

    choose: Callable[[Place, str], LayerRule]
    products: Products = "signal"

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """As for every rule; SiLU is the product that it is."""
        with silu_as_product(), super().tracing():
            yield

    def backward(self, path: Path) -> Backward:
        """Apply a linear map's rule at its entry; elsewhere pass relevance on unchanged."""
        path = path.holding(normalizers(path))
        within = activations(path)
        if self.products == "signal":
            path = path.holding(gates(path, within))
        self._require_known(path, within)
        maps = linear_maps(path, products=self.products == "halves", besides=within)
        entries = {linear.entry.name: linear for linear in maps}
        places = dict(_places(path, entries))

        def back(op: Any, relevance: Any) -> list[Any]:
            indices = path.data(op)
            if op.name in entries:
                rule = self.choose(places[op.name], path.layer(op))
                parts = rule(entries[op.name], relevance)
            elif op.type == "Softmax":
                parts = [_softmax(op, relevance)]
            else:
                parts = _evenly(relevance, len(indices))
            by_input = dict(zip(indices, parts, strict=True))
            return [by_input.get(index) for index in range(len(op.inputs))]

        return back

    def _require_known(self, path: Path, within: frozenset[str]) -> None:
        known = SHIFTS | SUMS | POOLS | ACTIVATIONS | CORES.keys() | MOVES
        own = {"Softmax"} if self.products == "halves" else set()
        require_known(path, known | own, besides=within)


def _evenly(relevance: Any, parts: int) -> list[Any]:
    return [relevance] if parts == 1 else [relevance / parts] * parts


def _softmax(op: Any, relevance: Any) -> Any:
    """`x_i (R_i - s_i sum_j R_j)` (Achtibat et al., 2024, proposition 3.1)."""
    inputs, outputs = op.inputs[0], op.outputs[0]
    rest = relevance - outputs * tf.reduce_sum(relevance, axis=-1, keepdims=True)
    return tf.math.multiply_no_nan(inputs, rest)


def relevance(
    model: Any,
    choose: Callable[[Place, str], LayerRule],
    output: Output = "logit",
    *,
    products: Products = "signal",
    magnitude: bool = False,
) -> Kernel:
    """A kernel from images `[N, H, W, C]` and targets `[N]` to relevance `[N, H, W, C]`.

    Args:
        model: any built Keras model.
        choose: the rule of a linear map, by its place and its layer's name.
        output: the output that is propagated back.
        products: where the relevance of a product goes: see `Relevance`.
        magnitude: whether the score's magnitude is propagated instead of the score.

    Raises:
        NotApplicable: if an operation has no rule; the message names its layer.
    """

    def body(traced: Traced) -> Any:
        score = traced.target_scores
        return derivative(score, traced.images, start=tf.abs(score) if magnitude else score)

    return Kernel(model, body, output, rule=Relevance(choose, products))


def _places(path: Path, entries: dict[str, Linear]) -> dict[str, Place]:
    """The place of each linear map.

    A map with a kernel and no kernel before it is `input`. A sum or a shift of what a dense layer
    returns is `dense`, as is all that has no position: in a transformer, the residual connections.
    """
    behind: set[str] = set()
    """Names of operations behind a kernel."""
    dense: set[str] = set()
    """Names of operations whose last kernel is dense."""
    places = {}
    for op in path.operations:
        inputs = {op.inputs[index].op.name for index in path.data(op)}
        linear = entries.get(op.name)
        kernel = linear is not None and linear.kind == "kernel"
        flat = op.type in MATRICES or (op.outputs[0].shape.rank == 2 and op.type not in POOLS)
        if flat if kernel else inputs & dense:
            dense.add(op.name)
        if linear is not None:
            first = kernel and not inputs & behind
            among_dense = flat or op.name in dense
            places[op.name] = "input" if first else "dense" if among_dense else "convolution"
        if kernel or inputs & behind:
            behind.add(op.name)
    return places
