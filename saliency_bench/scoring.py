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
"""What a cell's status codes mean."""


class Scorer:
    """Compares one explainer's changed maps with its reference maps, on one shard.

    Args:
        measures: by the name of their column.
        scene: the untouched images of the shard.
        reference: maps `[N, H, W, C']` of the untouched network.

    A measure that cannot serve these maps leaves the reason in its column.
    """

    def __init__(
        self, measures: Mapping[str, Measure], scene: Scene, reference: NDArray[np.float32]
    ) -> None:
        self._measures = measures
        self._scene = scene
        self._finite = _finite(reference)
        self._other_draw: dict[str, Any] = {}
        self._reference: dict[str, Any] = {}
        self._refused: dict[str, NDArray[Any]] = {}
        for name, measure in measures.items():
            try:
                self._reference[name] = measure.prepare(reference, scene)
            except NotApplicable as refusal:
                self._refused[f"{name}/refused"] = np.array(refusal.reason)

    def columns(self, maps: NDArray[np.float32], draw: int) -> dict[str, NDArray[Any]]:
        """The columns of a cell from its maps `[N, H, W, C']`.

        The floor compares with the maps given for the draw before; draw 0 has none.
        """
        finite = self._finite & _finite(maps)
        columns = dict(self._refused)
        for name, reference in self._reference.items():
            measure = self._measures[name]
            changed = measure.prepare(maps, self._scene)
            score = measure.compare(reference, changed)
            columns[f"{name}/score"] = score
            columns[f"{name}/null"] = _null(measure, reference, changed)
            columns[f"{name}/status"] = _status(score, finite, reference.defined, changed.defined)
            if draw > 0:
                columns[f"{name}/floor"] = measure.compare(self._other_draw[name], changed)
            self._other_draw[name] = changed
        return columns


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
