"""From maps to the columns of a cell: score, null, floor and status of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import BLOCK, CONSTANT, DIED, NAN, OK, NotApplicable, Similarity

PARTNERS = 4
"""How many other images of its block make an image's null."""

PAIR = np.dtype([("score", "f8"), ("null", "f8"), ("floor", "f8"), ("status", "i1")])
"""One entry of a similarity's column: an image's changed map against its reference."""


@dataclass(frozen=True)
class ComparableMaps:
    """Maps of a shard, ready to be compared.

    Attributes:
        shape: `[N, H, W, C']` of the maps.
        finite: `[N]`.
        prepared: by column, as the similarity made them ready.
        refused: by column, why the similarity cannot serve them.
    """

    shape: tuple[int, ...]
    finite: NDArray[np.bool_]
    prepared: Mapping[str, Any]
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Scorer:
    """Compares changed maps with their references.

    Attributes:
        similarities: by the name of their column.
    """

    similarities: Mapping[str, Similarity]

    def prepare(self, maps: NDArray[np.float32]) -> ComparableMaps:
        """Maps `[N, H, W, C']`, ready to be compared."""
        prepared: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for name, similarity in self.similarities.items():
            try:
                prepared[name] = similarity.prepare(maps)
            except NotApplicable as refusal:
                refused[name] = refusal.reason
        return ComparableMaps(maps.shape, _finite(maps), prepared, refused)

    def columns(
        self,
        changed: ComparableMaps,
        references: Sequence[ComparableMaps],
        before: ComparableMaps | None = None,
    ) -> dict[str, NDArray[Any]]:
        """A column per similarity: `[N]` of `PAIR`.

        The column of a similarity that cannot serve these maps is the reason why, a text.

        Args:
            changed: maps under a condition.
            references: maps to compare them with; the scores are means over these.
            before: maps of the draw before; with them there is a floor.
        """
        columns: dict[str, NDArray[Any]] = {}
        for name, similarity in self.similarities.items():
            why = [maps.refused[name] for maps in (*references, changed) if name in maps.refused]
            if why:
                columns[name] = np.array(why[0])
                continue
            columns[name] = _averaged([_pairs(name, similarity, r, changed) for r in references])
            if before is not None and name in before.prepared:
                floor = similarity.compare(before.prepared[name], changed.prepared[name])
                columns[name]["floor"] = floor
        return columns


def _pairs(
    name: str, similarity: Similarity, reference: ComparableMaps, changed: ComparableMaps
) -> NDArray[np.void]:
    """One similarity's column against one reference, without a floor."""
    here, there = reference.prepared[name], changed.prepared[name]
    finite = reference.finite & changed.finite
    column = np.empty(len(finite), PAIR)
    score = similarity.compare(here, there)
    column["score"] = score
    column["null"] = _null(similarity, here, there)
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


def _null(similarity: Similarity, reference: Any, changed: Any) -> NDArray[np.float64]:
    """`[N]` mean similarity with the partners' changed maps; NaN where no partner is defined."""
    count = len(reference.defined)
    scores = [similarity.compare(reference, changed.take(rows)) for rows in partners(count)]
    return _known_mean(scores) if scores else np.full(count, np.nan)


def _status(
    score: NDArray[np.float64],
    finite: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    changed: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """`[N]` indices into `STATUSES`, the first that applies."""
    wrong = [~finite, ~reference, ~changed, ~np.isfinite(score)]
    return np.select(wrong, [NAN, CONSTANT, DIED, NAN], OK).astype(np.int8)


def _finite(maps: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(maps).all(axis=tuple(range(1, maps.ndim))))
