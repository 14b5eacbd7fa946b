"""Which tokens are patches of the picture, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_bench.network.attention.chain import Chain
from saliency_bench.network.geometry.axes import Axes, is_lost, is_placed, places
from saliency_bench.network.geometry.layout import another_order, side
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
        NotApplicable: if the graph tells that they lie nowhere, or not row by row in one piece;
            if `grid` is None and nothing tells where they lie.
        SettingError: if `grid` does not fit the tokens.
    """
    axes = geometry.axes(chain.start) or ()
    placed = [places(axis) for axis in axes if is_placed(axis)]
    directions = [line.direction for own in placed for line in own.lines]
    if directions not in ([ROWS, COLUMNS], [ROWS], [COLUMNS]):
        raise _untold(chain.stream.size, axes, grid)
    rows, columns = side(axes, ROWS, size[0]), side(axes, COLUMNS, size[1])
    if grid not in (None, (rows.size, columns.size)):
        raise SettingError(
            f"grid must be ({rows.size}, {columns.size}), the rows and columns of the patches; "
            f"got {grid}"
        )
    return Patches(placed[0].first if len(placed) == 1 else 0, Placement(rows, columns, size))


def _untold(count: int, axes: Axes, grid: tuple[int, int] | None) -> Exception:
    """Why tokens have no place in a grid."""
    if not any(map(is_placed, axes)):
        return NotApplicable(
            f"its {count} tokens lie at no places: each is computed from the whole picture"
        )
    if not any(map(is_lost, axes)):
        return NotApplicable(f"its {count} tokens {another_order(axes)}")
    if grid is None:
        return NotApplicable(
            f"nothing tells where in the picture its {count} tokens lie; "
            "grid=(rows, columns) tells it"
        )
    return SettingError(
        f"grid must have at most as many places as there are tokens, {count}; got {grid}"
    )
