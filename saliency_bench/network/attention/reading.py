"""How the scores read the tokens: one of them, their mean, or attention that pools them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from saliency_bench.network.attention.matrices import Weighting
from saliency_bench.network.attention.slices import taken
from saliency_bench.network.attention.stream import Held, Stream
from saliency_bench.network.attention.weighing import FACTORS, Weighing
from saliency_bench.network.geometry.axes import has_special
from saliency_bench.network.geometry.tools import numbers
from saliency_bench.network.path import Path
from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class Reading:
    """The tokens of which the scores are computed, each with the same weight, or pooled.

    Attributes:
        tokens: their numbers.
        pool: the attention that weighs them; None: all count the same.
    """

    tokens: range
    pool: Weighting | None = None

    def __str__(self) -> str:
        """In words."""
        if self.pool is not None:
            return "pooled by attention"
        if len(self.tokens) == 1:
            return f"read at token {self.tokens[0]}"
        return f"read as the mean of tokens {self.tokens[0]} to {self.tokens[-1]}"


class Readings:
    """Follows tokens to where the scores read them; all else must leave each token by itself.

    Args:
        path: the traced path.
        stream: its tokens.
        mixing: attention between the tokens.
        pools: attention that pools them.
    """

    def __init__(
        self,
        path: Path,
        stream: Stream,
        mixing: Collection[Weighting],
        pools: Collection[Weighting],
    ) -> None:
        self._path, self._stream = path, stream
        self._known = {use.op.name for use in mixing}
        for use in (*mixing, *pools):
            self._known |= use.softmax.inner
        self._pools = {use.op.name: use for use in pools}
        self._weighing = Weighing(path, stream)
        self._behind: dict[Any, frozenset[Any]] = {}
        self._weighed: str | None = None

    def only(self) -> Reading:
        """The one way in which the scores read the tokens.

        Raises:
            NotApplicable: if there is none or more than one, or if something else than attention
                mixes tokens.
        """
        found: list[Reading] = []
        for op in self._path.operations:
            found += [reading for reading in self._at(op) if reading not in found]
        if len(found) != 1:
            ways = " and ".join(map(str, found)) or "not read by a token, a mean or attention"
            raise NotApplicable(f"the tokens must be read in one way; they are {ways}")
        if found[0].pool is None and len(found[0].tokens) > 1 and self._weighed is not None:
            raise NotApplicable(self._weighed)
        return found[0]

    def _at(self, op: Any) -> list[Reading]:
        """What an operation reads of the tokens, if they end here."""
        data = [op.inputs[index] for index in self._path.data(op)]
        path = self._path
        outputs = [t for t in op.outputs if path.consumers(t) or t is path.scores]
        if any(tensor.ref() in self._behind for tensor in data):
            if any(t.ref() not in self._behind and self._holds(t) for t in data):
                raise self._mixed(op)
            self._pass_on(op, data)
            return []
        if op.name in self._known or not any(map(self._holds, data)):
            return []
        readings = [self._read(op, tensor) for tensor in outputs]
        for tensor, reading in zip(outputs, readings, strict=True):
            if reading is not None:
                self._behind[tensor.ref()] = frozenset(source.ref() for source in data)
                self._note_weights(data)
            elif not self._is_by_token(op, data, tensor):
                raise self._mixed(op)
            else:
                self._weighing.follow(op, tensor)
        return [reading for reading in readings if reading is not None]

    def _pass_on(self, op: Any, data: list[Any]) -> None:
        """Note what is computed from what was read.

        A sum of weighed tokens over the sum of their weights is a quotient of two sums.
        """
        sums = [self._behind[tensor.ref()] for tensor in data if tensor.ref() in self._behind]
        if op.type in FACTORS and any(a - b and b - a for a, b in combinations(sums, 2)):
            self._doubt(op, "multiplies or divides different sums of the tokens")
        for tensor in op.outputs:
            self._behind[tensor.ref()] = frozenset().union(*sums)

    def _note_weights(self, data: list[Any]) -> None:
        for tensor in data:
            if (weigher := self._weighing.by(tensor)) is not None:
                self._doubt(weigher, "gives the tokens weights of their own")

    def _doubt(self, op: Any, what: str) -> None:
        """Note the first reason why the tokens that are read may not count the same."""
        self._weighed = self._weighed or f"layer {self._path.layer(op)!r} {what}"

    def _holds(self, tensor: Any) -> bool:
        return self._stream.held(tensor) is not Held.NONE

    def _read(self, op: Any, output: Any) -> Reading | None:
        if op.name in self._pools:
            pool = self._pools[op.name]
            return Reading(self._row(pool.tensor), pool)
        (source, *others) = [op.inputs[index] for index in self._path.data(op)]
        places = self._stream.places(source)
        if others or self._stream.held(source) in (Held.LOST, Held.PAIRS):
            return None
        if op.type in ("Mean", "Sum"):
            gone = {int(axis) % source.shape.rank for axis in np.atleast_1d(numbers(op.inputs[1]))}
            return Reading(self._row(source)) if gone >= set(places) else None
        row = self._row(source)
        kept = taken(op, places[0], output.value_index) if len(places) == 1 else None
        if kept is None or len(kept) != 1 or self._stream.axes(source)[places[0]][1:]:
            return None
        return Reading(row[kept[0] : kept[0] + 1])

    def _row(self, tensor: Any) -> range:
        held = self._stream.held(tensor)
        return held if isinstance(held, range) else range(self._stream.size)

    def _is_by_token(self, op: Any, data: list[Any], output: Any) -> bool:
        """Whether an operation computes each token's values, or pairs', from its own alone."""
        stream = self._stream
        before = [held for tensor in data if (held := stream.held(tensor)) is not Held.NONE]
        after = stream.held(output)
        if stream.is_summed(op) or self._normalizes(op):
            return False
        if Held.PAIRS in before or Held.LOST in before:
            return after is Held.PAIRS and Held.LOST not in before
        if Held.WHOLE in before:
            return after not in (Held.LOST, Held.NONE)
        return after in before

    def _normalizes(self, op: Any) -> bool:
        """Whether an operation is a softmax over tokens."""
        if op.type not in ("LogSoftmax", "Softmax"):
            return False
        return op.outputs[0].shape.rank - 1 in self._stream.places(op.outputs[0])

    def _mixed(self, op: Any) -> NotApplicable:
        what = f"{op.type} (layer {self._path.layer(op)!r})"
        if any(has_special(axis) for tensor in op.outputs for axis in self._stream.axes(tensor)):
            return NotApplicable(f"the number of tokens changes: {what}")
        return NotApplicable(f"something else than attention mixes or moves the tokens: {what}")
