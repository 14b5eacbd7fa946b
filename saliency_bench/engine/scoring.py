"""From maps to the columns of a cell: score, null, floor and status of each image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import (
    BLOCK,
    CONSTANT,
    DIED,
    NAN,
    OK,
    Measure,
    NotApplicable,
    RegionMeasure,
)
from saliency_bench.storage.fingerprint import digest

PARTNERS = 4
"""Number of other images of its block from which an image's null is computed."""

LEFT_OUT = -1
"""The status of a pair without a row: a scene leaves its image out."""

PAIR = np.dtype([("score", "f8"), ("null", "f8"), ("floor", "f8"), ("status", "i1")])
"""An entry of a similarity's column: an image's changed map compared with its reference."""


@dataclass(frozen=True)
class ComparableMaps:
    """Maps of a shard, prepared for comparison.

    Attributes:
        shape: `[N, H, W, C']` of the maps.
        finite: `[N]`, whether a map is finite.
        prepared: the result of the similarity's `prepare`, by column.
        refused: the reason why a similarity does not apply to the maps, by column.
        present: `[N]`, whether the scene leaves an image in.
        digest: hash of the maps and their regions.
    """

    shape: tuple[int, ...]
    finite: NDArray[np.bool_]
    prepared: Mapping[str, Any]
    refused: Mapping[str, str]
    present: NDArray[np.bool_]
    digest: bytes


@dataclass(frozen=True)
class Scorer:
    """Compares changed maps with their references.

    Attributes:
        similarities: by the name of their column.
    """

    similarities: Mapping[str, Measure]

    def prepare(
        self,
        maps: NDArray[np.float32],
        regions: NDArray[np.bool_] | None = None,
        columns: Collection[str] | None = None,
        earlier: Sequence[ComparableMaps] = (),
    ) -> ComparableMaps:
        """Prepare maps for comparison.

        Args:
            maps: `[N, H, W, C']`.
            regions: `[N, H, W]` of their scene.
            columns: the columns to prepare them for; default: all.
            earlier: what is prepared of the same maps is taken from these.
        """
        mark = _digest(maps, regions)
        ready = {k: v for own in earlier if own.digest == mark for k, v in own.prepared.items()}
        prepared: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for name, similarity in self.similarities.items():
            if columns is not None and name not in columns:
                continue
            try:
                prepared[name] = (
                    ready[name] if name in ready else _prepare(similarity, maps, regions)
                )
            except NotApplicable as refusal:
                refused[name] = refusal.reason
        present = np.ones(len(maps)) if regions is None else regions.any(axis=(1, 2))
        return ComparableMaps(
            maps.shape, _finite(maps), prepared, refused, np.asarray(present, np.bool_), mark
        )

    def columns(
        self,
        changed: ComparableMaps,
        references: Sequence[ComparableMaps],
        before: ComparableMaps | None = None,
    ) -> dict[str, NDArray[Any]]:
        """A column for all that the changed maps are prepared for: `[N]` of `PAIR`.

        If a similarity does not apply to the maps, its column is the reason, a text.

        Args:
            changed: maps under a condition.
            references: maps to compare them with; the scores are means over these.
            before: maps of the previous draw, for the floor; None: no floor.
        """
        columns: dict[str, NDArray[Any]] = {}
        for name in (*changed.prepared, *changed.refused):
            similarity = self.similarities[name]
            why = [maps.refused[name] for maps in (*references, changed) if name in maps.refused]
            if why:
                columns[name] = np.array(why[0])
                continue
            columns[name] = _average([_pairs(name, similarity, r, changed) for r in references])
            if before is not None and name in before.prepared:
                floor = similarity.compare(before.prepared[name], changed.prepared[name])
                columns[name]["floor"] = floor
        return columns


def _prepare(measure: Measure, maps: NDArray[np.float32], regions: NDArray[np.bool_] | None) -> Any:
    if not isinstance(measure, RegionMeasure):
        return measure.prepare(maps)
    if regions is None:
        raise NotApplicable("it needs the regions of the images, and there are none")
    return measure.prepare(maps, regions)


def _digest(maps: NDArray[np.float32], regions: NDArray[np.bool_] | None) -> bytes:
    """Hash of maps and regions: of their shapes, and bit by bit of their values."""
    arrays = [array for array in (maps, regions) if array is not None]
    shapes = repr([(array.shape, array.dtype.str) for array in arrays]).encode()
    return digest(shapes, *(np.ascontiguousarray(array).data for array in arrays))


def _pairs(
    name: str, similarity: Measure, reference: ComparableMaps, changed: ComparableMaps
) -> NDArray[np.void]:
    """One similarity's column against one reference, without a floor."""
    here, there = reference.prepared[name], changed.prepared[name]
    finite = reference.finite & changed.finite
    column = np.empty(len(finite), PAIR)
    score = similarity.compare(here, there)
    column["score"] = score
    column["null"] = _null(similarity, here, there)
    column["floor"] = np.nan
    status = _status(score, finite, here.defined, there.defined)
    column["status"] = np.where(reference.present & changed.present, status, LEFT_OUT)
    return column


def _average(columns: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Combine the columns of several references: mean of finite values, mildest status."""
    if len(columns) == 1:
        return columns[0]
    average = columns[0].copy()
    for name in ("score", "null"):
        average[name] = _finite_mean([column[name] for column in columns])
    average["status"] = np.min([column["status"] for column in columns], axis=0)
    return average


def _finite_mean(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """`[N]` mean of each column's finite values; NaN if there are none."""
    table = np.stack(rows)
    finite = np.isfinite(table)
    sums = np.where(finite, table, 0).sum(axis=0)
    return np.asarray(
        np.where(finite.any(axis=0), sums / np.maximum(1, finite.sum(axis=0)), np.nan)
    )


def block_starts(count: int) -> list[int]:
    """First image of each block; a remainder too short for a null joins the last block."""
    return [BLOCK * block for block in range(max(0, count - PARTNERS - 1) // BLOCK + 1)]


def partners(count: int) -> list[NDArray[np.int64]]:
    """Rows `[count]` of each image's first, second, ... partner: the next images of its block."""
    starts = np.array(block_starts(count))
    sizes = np.diff(starts, append=count)
    block = np.searchsorted(starts, np.arange(count), side="right") - 1
    place = np.arange(count) - starts[block]
    shifts = range(1, min(PARTNERS, int(sizes.min()) - 1) + 1)
    return [starts[block] + (place + shift) % sizes[block] for shift in shifts]


def _null(similarity: Measure, reference: Any, changed: Any) -> NDArray[np.float64]:
    """`[N]` mean similarity with the partners' changed maps; NaN if no partner is defined."""
    count = len(reference.defined)
    if isinstance(similarity, RegionMeasure):
        return np.full(count, similarity.null)
    scores = [similarity.compare(reference, changed.take(rows)) for rows in partners(count)]
    return _finite_mean(scores) if scores else np.full(count, np.nan)


def _status(
    score: NDArray[np.float64],
    finite: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    changed: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """`[N]` indices into `STATUSES`: the first status that applies."""
    wrong = [~finite, ~reference, ~changed, ~np.isfinite(score)]
    return np.select(wrong, [NAN, CONSTANT, DIED, NAN], OK).astype(np.int8)


def _finite(maps: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(maps).all(axis=tuple(range(1, maps.ndim))))
