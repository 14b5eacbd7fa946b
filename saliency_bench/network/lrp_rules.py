"""Rules of layer-wise relevance propagation: how a linear map splits relevance among its inputs.

A rule splits the relevance of each output `z_j` among the inputs in proportion to their parts of
it. It consists of `Split`s: each sends a share of the relevance back along terms `a_i w_ij`,
divided by their sum. (Bach et al., 2015; Montavon et al., 2019.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from saliency_bench.network.linear import Linear

Terms = Sequence[tuple[Sequence[Any], Any]]
"""Pairs of data and the weights they are multiplied with."""


@dataclass(frozen=True)
class Split:
    """A share of relevance that is sent back along terms, divided by their sum.

    Attributes:
        terms: the data and weights.
        bias: is added to the sum.
        epsilon: is added to the magnitude of the sum.
        share: factor of the relevance; None: 1.
        total: the sum with the bias, where it is known.
    """

    terms: Terms
    bias: Any = 0.0
    epsilon: float = 0.0
    share: Any = None
    total: Any = None

    def __call__(self, linear: Linear, relevance: Any) -> list[Any]:
        """The relevance of each of the map's inputs."""
        data = [[tf.identity(tensor) for tensor in tensors] for tensors, _ in self.terms]
        parts = [linear(own, weights) for own, (_, weights) in zip(data, self.terms, strict=True)]
        sums = _sum(parts) + self.bias if self.total is None else self.total
        if self.epsilon:
            sums = tf.where(sums < 0, sums - self.epsilon, sums + self.epsilon)
        # An output whose sum is 0 sends nothing back.
        signal = tf.math.divide_no_nan(relevance, sums)
        if self.share is not None:
            signal *= self.share
        signals = [tf.gradients(part, own, signal) for part, own in zip(parts, data, strict=True)]
        products = [
            [a * c for a, c in zip(own, back, strict=True)]
            for own, back in zip(data, signals, strict=True)
        ]
        return [_sum(list(each)) for each in zip(*products, strict=True)]


def _sum(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tf.add_n(list(tensors))


class LayerRule(ABC):
    """How a linear map splits relevance."""

    @abstractmethod
    def splits(self, linear: Linear) -> list[Split]:
        """How a map with a kernel sends relevance back."""

    def blend(self, linear: Linear) -> list[Split]:
        """How a sum or a mean sends relevance back: along its positive parts."""
        return _along_positive(linear)

    def shift(self, linear: Linear) -> list[Split]:
        """How a map without a kernel sends relevance back: all of it to the one input."""
        return [Split([(linear.like(1.0), linear.evenly)])]

    def product(self, linear: Linear) -> list[Split]:
        """How a product of two tensors sends relevance back: half along each factor."""
        return [Split([(linear.data, linear.weights)], share=0.5, total=linear.output)]

    def __call__(self, linear: Linear, relevance: Any) -> list[Any]:
        """The relevance of each of a linear map's inputs."""
        kinds = {
            "kernel": self.splits,
            "blend": self.blend,
            "shift": self.shift,
            "product": self.product,
        }
        splits = kinds[linear.kind](linear)
        parts = [split(linear, relevance) for split in splits]
        return [_sum(each) for each in zip(*parts, strict=True)]


@dataclass(frozen=True)
class Epsilon(LayerRule):
    """`R_i = sum_j a_i w_ij / (z_j + epsilon sign(z_j)) R_j`; z includes the bias."""

    epsilon: float = 1e-6

    def splits(self, linear: Linear) -> list[Split]:
        """Along the map itself."""
        terms = [(linear.data, linear.weights)]
        return [Split(terms, epsilon=self.epsilon, total=linear.output)]

    def blend(self, linear: Linear) -> list[Split]:
        """Along the map itself."""
        return self.splits(linear)

    def shift(self, linear: Linear) -> list[Split]:
        """Along the map itself."""
        return self.splits(linear)

    def product(self, linear: Linear) -> list[Split]:
        """Half along each factor."""
        return [replace(split, share=0.5) for split in self.splits(linear)]


@dataclass(frozen=True)
class Gamma(LayerRule):
    """Parts with the sign of z count `1 + gamma` times (Montavon et al., 2019).

    For data without negative values, as behind a ReLU, the weights are `w + gamma max(w, 0)`, and
    the bias likewise. For other data a part is favoured if its sign is that of z (Andeol et al.,
    2021), so that no denominator comes near 0.
    """

    gamma: float = 0.25

    def splits(self, linear: Linear) -> list[Split]:
        """Along the map and its favoured parts."""
        if all(_is_positive(tensor) for tensor in linear.data):
            weights, bias = (w + self.gamma * tf.nn.relu(w) for w in (linear.weights, linear.bias))
            return [Split([(linear.data, weights)], bias)]
        positive = tf.cast(linear.output >= 0, linear.output.dtype)
        return [
            self._favour(linear, tf.nn.relu, positive),
            self._favour(linear, _negative, 1 - positive),
        ]

    def _favour(self, linear: Linear, part: Callable[[Any], Any], share: Any) -> Split:
        favoured = [(data, self.gamma * weights) for data, weights in _terms(linear, part)]
        bias = linear.bias + self.gamma * part(linear.bias)
        return Split([(linear.data, linear.weights), *favoured], bias, share=share)


@dataclass(frozen=True)
class AlphaBeta(LayerRule):
    """`alpha` times the positive parts of z, minus `beta` times the negative ones (Bach et al.).

    Where all parts have one sign they get all relevance, so that it is conserved.
    """

    alpha: float = 2.0
    beta: float = 1.0

    def splits(self, linear: Linear) -> list[Split]:
        """Along positive and along negative terms."""
        positive, negative = _terms(linear, tf.nn.relu), _terms(linear, _negative)
        gain = _total(linear, positive, tf.nn.relu(linear.bias))
        loss = _total(linear, negative, _negative(linear.bias))
        one, alpha, beta = (tf.cast(v, gain.dtype) for v in (1.0, self.alpha, self.beta))
        return [
            Split(positive, total=gain, share=tf.where(tf.equal(loss, 0), one, alpha)),
            Split(negative, total=loss, share=tf.where(tf.equal(gain, 0), one, -beta)),
        ]


@dataclass(frozen=True)
class ZPlus(LayerRule):
    """Along the positive parts of z alone: `alpha = 1, beta = 0` (Montavon et al., 2017).

    Where all parts are negative they get all relevance, so that it is conserved.
    """

    def splits(self, linear: Linear) -> list[Split]:
        """Along positive terms."""
        return _along_positive(linear)


@dataclass(frozen=True)
class WSquare(LayerRule):
    """Proportional to `w_ij^2`; the data do not matter (Montavon et al., 2017)."""

    def splits(self, linear: Linear) -> list[Split]:
        """Along squared weights."""
        return [Split([(linear.like(1.0), tf.square(linear.weights))])]

    def blend(self, linear: Linear) -> list[Split]:
        """Along its own weights."""
        return self.splits(linear)


@dataclass(frozen=True)
class Flat(LayerRule):
    """Equal parts for all inputs that have a weight (Lapuschkin et al., 2019)."""

    def splits(self, linear: Linear) -> list[Split]:
        """Along weights of one."""
        return [Split([(linear.like(1.0), tf.ones_like(linear.weights))])]

    def blend(self, linear: Linear) -> list[Split]:
        """Along its own weights."""
        return self.splits(linear)


@dataclass(frozen=True)
class ZBox(LayerRule):
    """Proportional to `a_i w_ij - low max(w_ij, 0) - high min(w_ij, 0)` (Montavon et al., 2017).

    Attributes:
        low: the smallest value an input can have, model units.
        high: the largest value.
    """

    low: float
    high: float

    def splits(self, linear: Linear) -> list[Split]:
        """Along the data minus the corners of the box."""
        weights = linear.weights
        return [
            Split(
                [
                    (linear.data, weights),
                    (linear.like(-self.low), tf.nn.relu(weights)),
                    (linear.like(-self.high), _negative(weights)),
                ]
            )
        ]


def _along_positive(linear: Linear) -> list[Split]:
    """Along the positive parts of each output; of one that has none, along the negative parts.

    An output without a positive part is no larger than 0. If only ReLUs read it, it has no
    relevance, so its parts are not needed.
    """
    positive, bias = _terms(linear, tf.nn.relu), tf.nn.relu(linear.bias)
    sum_of_positive = linear.kind == "blend" and all(map(_is_positive, linear.data))
    if linear.is_rectified or sum_of_positive:
        return [Split(positive, bias)]
    gain = _total(linear, positive, bias)
    without = tf.cast(tf.equal(gain, 0), gain.dtype)
    rest = Split(_terms(linear, _negative), _negative(linear.bias), share=without)
    return [Split(positive, total=gain), rest]


def _total(linear: Linear, terms: Terms, bias: Any) -> Any:
    return _sum([linear(data, weights) for data, weights in terms]) + bias


def _negative(tensor: Any) -> Any:
    return tf.minimum(tensor, 0)


def _terms(linear: Linear, part: Callable[[Any], Any]) -> Terms:
    """The terms `a w` that are positive, or negative, as `part` says: by the signs of a and w."""
    terms = [([tf.nn.relu(a) for a in linear.data], part(linear.weights))]
    if all(_is_positive(tensor) for tensor in linear.data):
        return terms
    other = -part(-linear.weights)
    return [*terms, ([_negative(a) for a in linear.data], other)]


def _is_positive(tensor: Any) -> bool:
    """Whether the graph shows that a tensor has no negative value."""
    op = tensor.op
    while op.type in {"MaxPool", "AvgPool", "Mean", "Reshape", "Identity", "Pad", "Transpose"}:
        op = op.inputs[0].op
    return op.type in {"Relu", "Relu6", "Sigmoid", "Softplus", "Softmax", "Square", "Abs", "Exp"}
