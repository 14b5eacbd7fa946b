"""How the scores read the tokens: one of them, their mean, or attention that pools them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from saliency_bench.network.attention.matrices import Weighting
from saliency_bench.network.attention.slices import taken
from saliency_bench.network.attention.stream import Held, Stream
from saliency_bench.network.geometry.tools import numbers
from saliency_bench.network.path import Path
from saliency_bench.protocols import NotApplicable

_FACTORS = frozenset({"DivNoNan", "Mul", "MulNoNan", "RealDiv", "Select", "SelectV2"})


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
        self._behind: set[Any] = set()
        self._weighed: Any = None

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
            layer = self._path.layer(self._weighed)
            raise NotApplicable(f"layer {layer!r} gives the tokens weights of their own")
        return found[0]

    def _at(self, op: Any) -> list[Reading]:
        """What an operation reads of the tokens, if they end here."""
        data = [op.inputs[index] for index in self._path.data(op)]
        path = self._path
        outputs = [t for t in op.outputs if path.consumers(t) or t is path.scores]
        if any(tensor.ref() in self._behind for tensor in data):
            if any(t.ref() not in self._behind and self._holds(t) for t in data):
                raise self._mixed(op)
            self._behind |= {tensor.ref() for tensor in op.outputs}
            return []
        if op.name in self._known:
            self._weighed = None  # What is mixed again is no longer weighed.
        if op.name in self._known or not any(map(self._holds, data)):
            return []
        readings = [self._read(op, tensor) for tensor in outputs]
        for tensor, reading in zip(outputs, readings, strict=True):
            if reading is not None:
                self._behind.add(tensor.ref())
            elif not self._is_by_token(op, data, tensor):
                raise self._mixed(op)
            elif self._weighs(op, tensor):
                self._weighed = op
        return [reading for reading in readings if reading is not None]

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

    def _weighs(self, op: Any, output: Any) -> bool:
        """Whether an operation multiplies each token with a constant of its own."""
        if op.type not in _FACTORS or self._stream.held(output) is Held.PAIRS:
            return False
        data, rank = self._path.data(op), output.shape.rank
        sizes = [
            op.inputs[index].shape[place - rank]
            for index in range(len(op.inputs))
            for place in self._stream.places(output)
            if index not in data and op.inputs[index].shape.rank >= rank - place
        ]
        return any(size != 1 for size in sizes)

    def _normalizes(self, op: Any) -> bool:
        """Whether an operation is a softmax over tokens."""
        if op.type not in ("LogSoftmax", "Softmax"):
            return False
        return op.outputs[0].shape.rank - 1 in self._stream.places(op.outputs[0])

    def _mixed(self, op: Any) -> NotApplicable:
        where = self._path.layer(op)
        return NotApplicable(
            f"something else than attention mixes or moves the tokens: {op.type} (layer {where!r})"
        )
