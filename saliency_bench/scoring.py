"""From maps to the columns of a cell: score, null, floor and status of each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import BLOCK, Measure, NotApplicable, Scene

PARTNERS = 4
"""How many other images of its block make an image's null."""

STATUSES = ("ok", "constant_reference", "died", "nan")
"""What the codes in a column's `status` mean."""

PAIR = np.dtype([("score", "f8"), ("null", "f8"), ("floor", "f8"), ("status", "i1")])
"""One entry of a measure's column: an image's changed map against its reference."""


class Scorer:
    """Compares one explainer's changed maps with its reference maps, on one shard.

    Args:
        measures: by the name of their column.
        scene: the untouched images of the shard.
        reference: maps `[N, H, W, C']` of the untouched network.
    """

    def __init__(
        self, measures: Mapping[str, Measure], scene: Scene, reference: NDArray[np.float32]
    ) -> None:
        self._measures = measures
        self._scene = scene
        self.shape = reference.shape
        self._finite = _finite(reference)
        self._reference, self._refused = self._prepared(reference)
        self._draw_before: Mapping[str, Any] = {}

    def hold(self, maps: NDArray[np.float32]) -> None:
        """Take `maps` for those of the draw before the one that comes next."""
        self._draw_before, _ = self._prepared(maps)

    def columns(
        self, maps: NDArray[np.float32], *, continues: bool = False
    ) -> dict[str, NDArray[Any]]:
        """A column per measure from maps `[N, H, W, C']`: `[N]` of `PAIR`.

        The column of a measure that cannot serve these maps is the reason why, a text.

        Args:
            maps: of the shard under a condition; they are held, as `hold` does.
            continues: whether the maps held are those of the draw before: then there is a floor.
        """
        before = self._draw_before if continues else {}
        changed, refused = self._prepared(maps)
        self._draw_before = changed
        finite = self._finite & _finite(maps)
        columns = {name: np.array(why) for name, why in (refused | self._refused).items()}
        for name, reference in self._reference.items():
            if name in changed:
                columns[name] = _pairs(
                    self._measures[name], reference, changed[name], before.get(name), finite
                )
        return columns

    def _prepared(self, maps: NDArray[np.float32]) -> tuple[dict[str, Any], dict[str, str]]:
        """By measure, the maps made ready, and why others refuse them."""
        prepared: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for name, measure in self._measures.items():
            try:
                prepared[name] = measure.prepare(maps, self._scene)
            except NotApplicable as refusal:
                refused[name] = refusal.reason
        return prepared, refused


def _pairs(
    measure: Measure, reference: Any, changed: Any, before: Any, finite: NDArray[np.bool_]
) -> NDArray[np.void]:
    """One measure's column; without a draw before, the floor is NaN."""
    column = np.empty(len(finite), PAIR)
    score = measure.compare(reference, changed)
    column["score"] = score
    column["null"] = _null(measure, reference, changed)
    column["floor"] = np.nan if before is None else measure.compare(before, changed)
    column["status"] = _status(score, finite, reference.defined, changed.defined)
    return column


def block_starts(count: int) -> list[int]:
    """Where the blocks of `count` images begin; a rest too short for a null joins the last one."""
    return [BLOCK * block for block in range(max(0, count - PARTNERS - 1) // BLOCK + 1)]


def partners(count: int) -> list[NDArray[np.int64]]:
    """For each of the next `PARTNERS` images, cyclic in each block, the `[count]` rows of them."""
    starts = np.array(block_starts(count))
    sizes = np.diff(starts, append=count)
    block = np.searchsorted(starts, np.arange(count), side="right") - 1
    place = np.arange(count) - starts[block]
    shifts = range(1, min(PARTNERS, int(sizes.min()) - 1) + 1)
    return [starts[block] + (place + shift) % sizes[block] for shift in shifts]


def _null(measure: Measure, reference: Any, changed: Any) -> NDArray[np.float64]:
    """`[N]` mean similarity with the partners' changed maps; NaN where no partner is defined."""
    count = len(reference.defined)
    scores = [measure.compare(reference, changed.take(rows)) for rows in partners(count)]
    if not scores:
        return np.full(count, np.nan)
    table = np.stack(scores)
    defined = np.isfinite(table)
    sums = np.where(defined, table, 0).sum(axis=0)
    return np.asarray(
        np.where(defined.any(axis=0), sums / np.maximum(1, defined.sum(axis=0)), np.nan)
    )


def _status(
    score: NDArray[np.float64],
    finite: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    changed: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """`[N]` indices into `STATUSES`, the first that applies."""
    wrong = [~finite, ~reference, ~changed, ~np.isfinite(score)]
    codes = [STATUSES.index(s) for s in ("nan", "constant_reference", "died", "nan")]
    return np.select(wrong, codes, STATUSES.index("ok")).astype(np.int8)


def _finite(maps: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(maps).all(axis=tuple(range(1, maps.ndim))))
