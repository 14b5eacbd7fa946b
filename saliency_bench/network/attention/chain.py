"""The attention of a traced model: which matrices mix its tokens, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from saliency_bench.network.attention.matrices import Weighting, weightings
from saliency_bench.network.attention.softmax import Softmax, softmaxes
from saliency_bench.network.attention.stream import Held, Stream
from saliency_bench.network.geometry.axes import Axes, is_lost, lines, plain
from saliency_bench.network.geometry.receptive_fields import Line
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.network.geometry.tools import BATCH
from saliency_bench.network.path import Path
from saliency_bench.protocols import NotApplicable

_Uses = tuple[Softmax, Sequence[Weighting]]


@dataclass(frozen=True)
class Chain:
    """Attention between the tokens of a model, one after another.

    Attributes:
        stream: the tokens.
        start: the tensor in which they come.
        blocks: attention between all tokens, in execution order.
        pools: attention to the tokens that gives a single result.
    """

    stream: Stream
    start: Any
    blocks: tuple[Weighting, ...]
    pools: tuple[Weighting, ...]


def attention_chain(path: Path, geometry: Geometry) -> Chain:
    """The attention on a path.

    Args:
        path: the traced path.
        geometry: the axes of its tensors.

    Raises:
        NotApplicable: if there is none between all tokens, or some that is not, or if the matrices
            do not follow one another.
    """
    uses = [(softmax, list(weightings(path, softmax))) for softmax in softmaxes(path)]
    stream, start = _tokens(path, geometry, uses)
    blocks: list[Weighting] = []
    pools: list[Weighting] = []
    for softmax, found in uses:
        held = stream.held(softmax.tensor)
        along = set(softmax.axes) & set(stream.places(softmax.tensor))
        if not found or not along or held is Held.LOST:
            continue
        if len(found) > 1 or not _fits(stream, found[0]):
            raise _partial(path, softmax)
        (blocks if held is Held.PAIRS else pools).append(found[0])
    _require_sequence(path, [*blocks, *pools])
    return Chain(stream, start, tuple(blocks), tuple(pools))


def _tokens(
    path: Path, geometry: Geometry, uses: Sequence[tuple[Softmax, Sequence[Weighting]]]
) -> tuple[Stream, Any]:
    """The tokens of the first attention, and the last tensor in front of it that all pass."""
    for softmax, found in uses:
        start = _last_before(path, softmax, geometry)
        axes = None if start is None else _as_tokens(start, geometry)
        if found and axes is not None:
            stream = Stream(path, start, axes)
            if stream.held(softmax.tensor) is Held.PAIRS:
                return stream, start
        if any(use.op.type not in ("Mean", "Sum") for use in found):
            raise _partial(path, softmax)
    raise NotApplicable("the network has no softmax attention between tokens of the picture")


def _last_before(path: Path, softmax: Softmax, geometry: Geometry) -> Any:
    """The last list or grid of tokens in front of a softmax that every way to the scores passes."""
    places = {op.name: place for place, op in enumerate(path.operations)}
    begin = min(places[name] for name in softmax.inner)
    before = [tensor for tensor in path.bottlenecks if places[tensor.op.name] < begin]
    return next((t for t in reversed(before) if _as_tokens(t, geometry) is not None), None)


def _as_tokens(tensor: Any, geometry: Geometry) -> Axes | None:
    """Axes of a tensor whose tokens are lines of pixels of their own; None if it has no tokens.

    Where nothing tells which axes lie in the picture, a matrix `[B, tokens, channels]` is meant.
    """
    shape, axes = tensor.shape.as_list(), geometry.axes(tensor)
    if axes is None:
        return None
    placed = [place for place, axis in enumerate(axes) if lines(axis)]
    known = placed and all(isinstance(factor, Line) for place in placed for factor in axes[place])
    own = [plain(size or BATCH) for size in shape]
    if known and not any(map(is_lost, axes)):
        for place in placed:
            own[place] = tuple(Line.pixels(f.direction, f.size) for f in lines(axes[place]))
        return tuple(own)
    if len(shape) != 3 or shape[1] is None:
        return None
    return own[0], (Line.pixels("tokens", shape[1]),), own[2]


def _fits(stream: Stream, use: Weighting) -> bool:
    """Whether attention is between all tokens, or pools tokens to a single result."""
    matrix, along = use.softmax.tensor, use.softmax.axes
    is_block = stream.held(matrix) is Held.PAIRS
    wanted = Held.WHOLE if is_block else stream.held(matrix)
    if use.values is not None and stream.held(use.values) != wanted:
        return False
    if not is_block:
        return set(stream.places(matrix)) == set(along) and use.queries == 1
    keys = [line for place in along for line in lines(stream.axes(matrix)[place])]
    return keys == stream.tokens and stream.held(use.op.outputs[0]) is Held.WHOLE


def _require_sequence(path: Path, uses: Sequence[Weighting]) -> None:
    """Raise `NotApplicable` unless all passes one tensor between an attention and the next."""
    places = {op.name: place for place, op in enumerate(path.operations)}
    narrow = [places[tensor.op.name] for tensor in path.bottlenecks if tensor is not path.images]
    for one, other in pairwise(uses):
        end, begin = places[one.op.name], min(places[name] for name in other.softmax.inner)
        if not any(end < place < begin for place in narrow):
            names = " and ".join(repr(path.layer(use.softmax.tensor.op)) for use in (one, other))
            raise NotApplicable(f"the attention of layers {names} is side by side, not in sequence")


def _partial(path: Path, softmax: Softmax) -> NotApplicable:
    return NotApplicable(
        f"the attention of layer {path.layer(softmax.tensor.op)!r} is not between all tokens, but "
        "in windows, between channels or to other tokens"
    )
