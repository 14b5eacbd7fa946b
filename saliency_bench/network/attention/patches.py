"""Which tokens are patches of the picture, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from saliency_bench.network.attention.chain import Chain
from saliency_bench.network.attention.stream import Held, Stream
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS, Line, plain
from saliency_bench.network.geometry.rules import POINTWISE
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.network.geometry.tools import BATCH
from saliency_bench.network.path import Path
from saliency_bench.network.placement import Placement
from saliency_bench.protocols import NotApplicable, SettingError


@dataclass(frozen=True)
class Patches:
    """Tokens that lie in the picture, row by row.

    Attributes:
        first: the number of the first; those before it are tokens of the class and the like.
        place: where they lie.
    """

    first: int
    place: Placement


def patches(path: Path, chain: Chain, grid: tuple[int, int] | None) -> Patches:
    """The patches among the tokens of a traced model.

    Args:
        path: the traced path.
        chain: its attention.
        grid: `(h, w)` of the patches; None: as the graph tells.

    Raises:
        NotApplicable: if `grid` is None and nothing tells it.
        SettingError: if `grid` does not fit the tokens.
    """
    size: tuple[int, int] = tuple(path.images.shape[1:3])
    found = _in_picture(path, Geometry(path), chain.start)
    if grid is None and found is None:
        raise NotApplicable(
            f"nothing tells where in the picture its {chain.stream.size} tokens lie; "
            "grid=(h, w) names the rows and columns of patches"
        )
    if found is not None and grid in (None, (found[1].size, found[2].size)):
        return Patches(found[0], Placement(found[1], found[2], size))
    first = chain.stream.size - prod(grid or ())
    if first < 0 or (found is not None and first != found[0]):
        most = chain.stream.size - (0 if found is None else found[0])
        rule = "at most" if found is None else "as many places as there are patches,"
        raise SettingError(f"grid must have {rule} {most}; got {grid}")
    rows, columns = (
        Line(direction, count, 0.0, whole / count, whole / count, 0.0, float(whole))
        for direction, count, whole in zip((ROWS, COLUMNS), grid or (), size, strict=True)
    )
    return Patches(first, Placement(rows, columns, size))


def _in_picture(path: Path, geometry: Geometry, tensor: Any) -> tuple[int, Line, Line] | None:
    """The number of the first patch in a list of tokens, and the rows and columns of patches."""
    placed = [f for axis in geometry.axes(tensor) or () for f in axis if isinstance(f, Line)]
    if [line.direction for line in placed] == [ROWS, COLUMNS]:
        return 0, placed[0], placed[1]
    op = tensor.op
    data = [op.inputs[index] for index in path.data(op)]
    if op.type == "ConcatV2" and len(data) == 1:
        inner = _in_picture(path, geometry, data[0])
        place = path.data(op)[0]
        before = sum(part.shape[1] for part in op.inputs[:place])
        return None if inner is None else (inner[0] + before, *inner[1:])
    if op.type in POINTWISE and len(data) == 1 and data[0] is not path.images:
        return _in_picture(path, geometry, data[0])
    earlier = _unmoved(path, tensor)
    return None if earlier is None else _in_picture(path, geometry, earlier)


def _unmoved(path: Path, tensor: Any) -> Any:
    """An earlier list of the same tokens that all passes; None if there is none."""
    places = {op.name: place for place, op in enumerate(path.operations)}
    for earlier in reversed(path.bottlenecks):
        if places.get(earlier.op.name, 0) >= places[tensor.op.name]:
            continue
        if earlier is path.images or earlier.shape.as_list() != tensor.shape.as_list():
            return None
        batch, size, width = (n or BATCH for n in earlier.shape)
        axes = plain(batch), (Line.pixels("tokens", size),), plain(width)
        return earlier if Stream(path, earlier, axes).held(tensor) is Held.WHOLE else None
    return None
