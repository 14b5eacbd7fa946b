"""Which tokens are patches of the picture, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_bench.network.attention.chain import Chain
from saliency_bench.network.geometry.axes import is_placed, places
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS
from saliency_bench.network.geometry.tensors import Geometry
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


def patches(
    chain: Chain, geometry: Geometry, size: tuple[int, int], grid: tuple[int, int] | None
) -> Patches:
    """The patches among the tokens of a traced model.

    Args:
        chain: its attention.
        geometry: the axes of its tensors; it knows `grid`.
        size: `(H, W)` of the picture.
        grid: `(h, w)` of the patches; None: as the graph tells.

    Raises:
        NotApplicable: if `grid` is None and nothing tells it.
        SettingError: if `grid` does not fit the tokens.
    """
    placed = [places(axis) for axis in geometry.axes(chain.start) or () if is_placed(axis)]
    lines = [line for own in placed for line in own.lines]
    if [line.direction for line in lines] != [ROWS, COLUMNS]:
        if grid is None:
            raise NotApplicable(
                f"nothing tells where in the picture its {chain.stream.size} tokens lie; "
                "grid=(rows, columns) tells it"
            )
        raise SettingError(
            f"grid must have at most as many places as there are tokens, {chain.stream.size}; "
            f"got {grid}"
        )
    rows, columns = lines
    if grid not in (None, (rows.size, columns.size)):
        raise SettingError(
            f"grid must be ({rows.size}, {columns.size}), the rows and columns of the patches; "
            f"got {grid}"
        )
    return Patches(placed[0].first if len(placed) == 1 else 0, Placement(rows, columns, size))
