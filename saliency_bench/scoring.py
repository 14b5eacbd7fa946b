"""From maps to the columns of a cell: score, null, floor and status of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import BLOCK, Measure, NotApplicable, Scene

PARTNERS = 4
"""How many other images of its block make an image's null."""

STATUSES = ("ok", "constant_reference", "died", "nan")
"""What the codes in a column's `status` mean."""

Mark = tuple[str, int, int] | None
"""Check, stage and draw of the condition whose maps are compared with; None: the untouched."""

PAIR = np.dtype([("score", "f8"), ("null", "f8"), ("floor", "f8"), ("status", "i1")])
"""One entry of a measure's column: an image's changed map against its reference."""


@dataclass(frozen=True)
class _Maps:
    """Maps of a shard, ready to be compared.

    Attributes:
        finite: `[N]`.
        prepared: by column, as the measure made them ready.
        refused: by column, why the measure cannot serve them.
    """

    finite: NDArray[np.bool_]
    prepared: Mapping[str, Any]
    refused: Mapping[str, str]


class Scorer:
    """Compares one explainer's changed maps with its reference maps, on one shard.

    Args:
        measures: by the name of their column.
        scene: the untouched images of the shard.
    """

    def __init__(self, measures: Mapping[str, Measure], scene: Scene) -> None:
        self._measures = measures
        self._scene = scene
        self._references: dict[Mark, _Maps] = {}
        self._draw_before: Mapping[str, Any] = {}
        self.shape: tuple[int, ...] | None = None

    def knows(self, mark: Mark) -> bool:
        """Whether there are maps of that condition to compare with."""
        return mark in self._references

    def refer(self, mark: Mark, maps: NDArray[np.float32]) -> None:
        """Take maps `[N, H, W, C']` as those of the condition `mark`."""
        self.shape = maps.shape
        self._references[mark] = self._ready(maps)

    def hold(self, maps: NDArray[np.float32]) -> None:
        """Take `maps` for those of the draw before the one that comes next."""
        self._draw_before = self._ready(maps).prepared

    def columns(
        self,
        maps: NDArray[np.float32],
        marks: Sequence[Mark] = (None,),
        *,
        continues: bool = False,
    ) -> dict[str, NDArray[Any]]:
        """A column per measure from maps `[N, H, W, C']`: `[N]` of `PAIR`.

        The column of a measure that cannot serve these maps is the reason why, a text.

        Args:
            maps: of the shard under a condition; they are held, as `hold` does.
            marks: of the references to compare with; the scores are means over them.
            continues: whether the maps held are those of the draw before: then there is a floor.
        """
        before = self._draw_before if continues else {}
        changed = self._ready(maps)
        self._draw_before = changed.prepared
        references = [self._references[mark] for mark in marks]
        columns: dict[str, NDArray[Any]] = {}
        for name, measure in self._measures.items():
            why = [maps.refused[name] for maps in (*references, changed) if name in maps.refused]
            if why:
                columns[name] = np.array(why[0])
            else:
                columns[name] = _averaged([_pairs(name, measure, r, changed) for r in references])
                if name in before:
                    floor = measure.compare(before[name], changed.prepared[name])
                    columns[name]["floor"] = floor
        return columns

    def _ready(self, maps: NDArray[np.float32]) -> _Maps:
        prepared: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for name, measure in self._measures.items():
            try:
                prepared[name] = measure.prepare(maps, self._scene)
            except NotApplicable as refusal:
                refused[name] = refusal.reason
        return _Maps(_finite(maps), prepared, refused)


def _pairs(name: str, measure: Measure, reference: _Maps, changed: _Maps) -> NDArray[np.void]:
    """One measure's column against one reference, without a floor."""
    here, there = reference.prepared[name], changed.prepared[name]
    finite = reference.finite & changed.finite
    column = np.empty(len(finite), PAIR)
    score = measure.compare(here, there)
    column["score"] = score
    column["null"] = _null(measure, here, there)
    column["floor"] = np.nan
    column["status"] = _status(score, finite, here.defined, there.defined)
    return column


def _averaged(columns: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Several references' columns as one: the mean where any is known, the mildest status."""
    if len(columns) == 1:
        return columns[0]
    averaged = columns[0].copy()
    for name in ("score", "null"):
        averaged[name] = _known_mean([column[name] for column in columns])
    averaged["status"] = np.min([column["status"] for column in columns], axis=0)
    return averaged


def _known_mean(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """`[N]` mean of what is known of each; NaN where nothing is."""
    table = np.stack(rows)
    known = np.isfinite(table)
    sums = np.where(known, table, 0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), sums / np.maximum(1, known.sum(axis=0)), np.nan))


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
    return _known_mean(scores) if scores else np.full(count, np.nan)


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
