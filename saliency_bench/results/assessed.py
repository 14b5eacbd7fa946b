"""From saved cells to the tables of the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from saliency_bench.engine import Outcome
from saliency_bench.engine.assess import KEY, STATUS, TARGET, TIES
from saliency_bench.engine.assessments import Assessment
from saliency_bench.protocols import NOT_APPLICABLE, STATUSES, Study
from saliency_bench.protocols.metrics import CHANCE, CURVE, VALUE
from saliency_bench.storage.longtable import Key, LongTable, open_writer
from saliency_bench.storage.store import Store

NAMES = ("explainer", "metric")
"""The columns of a key."""

_WORD, _WHOLE, _NUMBER = pa.dictionary(pa.int32(), pa.string()), pa.int64(), pa.float64()

METRICS = {
    "explainer": _WORD, "metric": _WORD, "image": _WHOLE, "target": _WHOLE, "value": _NUMBER,
    "chance": _NUMBER, "status": _WORD, "ties": _NUMBER, "key": _WHOLE,
}  # fmt: skip
"""Columns and their types."""

CURVES = {
    "explainer": _WORD, "metric": _WORD, "image": _WHOLE, "place": _NUMBER, "value": _NUMBER,
    "chance": _NUMBER,
}  # fmt: skip
"""Columns and their types: a row for each image and place on its curve."""


def metrics(
    study: Study, store: Store, plan: Sequence[Assessment], outcome: Outcome
) -> tuple[LongTable, LongTable]:
    """Write the tables `metrics` and `curves` from the cells, one cell at a time.

    An explainer or a metric that does not apply, or failed, has one row without an image.

    Args:
        study: what was run.
        store: holds the cells.
        plan: of the study's metrics.
        outcome: what did not apply or failed.

    Raises:
        OSError: if a cell is gone or damaged, or the tables cannot be written.
    """
    paths = [store.folder / f"{name}.parquet" for name in ("metrics", "curves")]
    kinds = [pa.schema(list(columns.items())) for columns in (METRICS, CURVES)]
    with open_writer(paths[0], kinds[0]) as values, open_writer(paths[1], kinds[1]) as curves:
        for explainer in study.explainers:
            for metric in study.metrics:
                key = (explainer, metric)
                if status := failure(explainer, metric, outcome):
                    values.write(key, _table(METRICS, key, _failed(status)))
                    continue
                for part in plan:
                    cell = _cell(store, part, key)
                    values.write(key, _table(METRICS, key, _rows(part, cell)))
                    if CURVE in cell:
                        places = getattr(study.metrics[metric], "places", ())
                        curves.write(key, _table(CURVES, key, _curve(part, cell, places)))
    return LongTable(paths[0], NAMES), LongTable(paths[1], NAMES)


def beside(
    study: Study, store: Store, plan: Sequence[Assessment], outcome: Outcome
) -> dict[str, dict[str, dict[str, float]]]:
    """Means over images of the further numbers of each metric: by metric, name and explainer.

    Raises:
        OSError: if a cell is gone or damaged.
    """
    means: dict[str, dict[str, dict[str, float]]] = {}
    for metric, own in study.metrics.items():
        for explainer in study.explainers:
            if failure(explainer, metric, outcome) or not own.beside:
                continue
            cells = [_cell(store, part, (explainer, metric)) for part in plan]
            for name in own.beside:
                values = np.concatenate([cell[name] for cell in cells]).astype(np.float64)
                if np.isfinite(values).any():
                    by_name = means.setdefault(metric, {}).setdefault(name, {})
                    by_name[explainer] = float(np.nanmean(values))
    return means


def failure(explainer: str, metric: str, outcome: Outcome) -> str:
    """The status of an explainer's row under a metric if there are no values; else empty."""
    failed = {explainer, f"{metric} of {explainer}"} & outcome.failed.keys()
    refused = {explainer, f"{metric} of {explainer}"} & outcome.refused.keys()
    return "error" if failed else NOT_APPLICABLE if refused or metric in outcome.metrics else ""


def _cell(store: Store, part: Assessment, key: Key) -> dict[str, NDArray[Any]]:
    explainer, metric = key
    cell = store.cell(part.keys[explainer, metric])
    if cell is None:
        raise OSError(
            f"the cell of {metric} of {explainer} is gone from {store.folder} or damaged; run "
            "again to compute it anew"
        )
    return cell


def _failed(status: str) -> dict[str, Any]:
    nothing = [np.nan]
    return {
        "image": [-1], "target": [-1], "value": nothing, "chance": nothing, "status": [status],
        "ties": nothing, "key": [0],
    }  # fmt: skip


def _rows(part: Assessment, cell: dict[str, NDArray[Any]]) -> dict[str, Any]:
    return {
        "image": np.arange(part.start, part.stop),
        "target": cell[TARGET],
        "value": cell[VALUE],
        "chance": cell.get(CHANCE, np.full(len(part), np.nan)),
        "status": np.array(STATUSES)[cell[STATUS]],
        "ties": cell[TIES],
        "key": cell[KEY],
    }


def _curve(
    part: Assessment, cell: dict[str, NDArray[Any]], places: Sequence[float]
) -> dict[str, Any]:
    curves = np.asarray(cell[CURVE], np.float64)
    chance = cell.get(f"{CHANCE} {CURVE}", np.full(curves.shape, np.nan))
    return {
        "image": np.repeat(np.arange(part.start, part.stop), curves.shape[1]),
        "place": np.tile(np.asarray(places, np.float64), len(part)),
        "value": curves.ravel(),
        "chance": np.asarray(chance, np.float64).ravel(),
    }


def _table(columns: dict[str, pa.DataType], key: Key, rows: dict[str, Any]) -> pa.Table:
    count = len(rows["image"])
    named = {name: [part] * count for name, part in zip(NAMES, key, strict=True)}
    return pa.Table.from_pandas(
        pd.DataFrame(named | rows), pa.schema(list(columns.items())), preserve_index=False
    )


def by_key(table: LongTable) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """The rows of each explainer and metric."""
    for explainer, metric in table.keys:
        yield (explainer, metric), table.rows((explainer, metric))
