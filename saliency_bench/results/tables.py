"""From saved cells to the tables of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from saliency_bench.engine import NETWORK, Outcome, Step
from saliency_bench.engine.observed import LABELS
from saliency_bench.engine.outcome import EXAMPLE
from saliency_bench.engine.scoring import LEFT_OUT
from saliency_bench.protocols import (
    NOT_APPLICABLE,
    STATUSES,
    Ceiling,
    NetworkName,
    Preprocessing,
    Study,
    TrainedNetwork,
)
from saliency_bench.results import TRAININGS, Examples
from saliency_bench.storage.fingerprint import column
from saliency_bench.storage.longtable import KEYS, Key, LongTable, open_writer
from saliency_bench.storage.store import Store

_WORD, _WHOLE, _NUMBER = pa.dictionary(pa.int32(), pa.string()), pa.int64(), pa.float64()

SCORES = {
    "check": _WORD, "explainer": _WORD, "similarity": _WORD, "stage": _WHOLE, "condition": _WORD,
    "depth": _NUMBER, "draw": _WHOLE, "image": _WHOLE, "target": _WHOLE, "score": _NUMBER,
    "null": _NUMBER, "ceiling": _NUMBER, "status": _WORD, "shift": _NUMBER,
}  # fmt: skip
FLOORS = {
    "check": _WORD, "explainer": _WORD, "similarity": _WORD, "stage": _WHOLE, "draw": _WHOLE,
    "image": _WHOLE, "floor": _NUMBER,
}  # fmt: skip
"""Columns and their types."""

NETWORKS = (
    "check", "stage", "condition", "depth", "draw", "destroyed", "accuracy",
    "input_independent", "variables_changed", "variables_exempt",
)  # fmt: skip

Cells = list[tuple[Step, dict[str, NDArray[Any]]]]


def scores(
    study: Study, store: Store, steps: Sequence[Step], outcome: Outcome
) -> tuple[LongTable, LongTable]:
    """Write the tables `scores` and `floors` from the cells, one cell at a time.

    An explainer that does not apply, or failed, has one row per similarity, with the reason in
    place of the condition.

    Args:
        study: what was run.
        store: holds the cells.
        steps: of the study's plan.
        outcome: what did not apply or failed.

    Raises:
        OSError: if a cell is gone or damaged, or the tables cannot be written.
    """
    paths = [store.folder / f"{name}.parquet" for name in ("scores", "floors")]
    kinds = [pa.schema(list(columns.items())) for columns in (SCORES, FLOORS)]
    with open_writer(paths[0], kinds[0]) as whole, open_writer(paths[1], kinds[1]) as floors:
        for key, rows in _pieces(study, store, steps, outcome):
            whole.write(key, rows.select(list(SCORES)))
            floors.write(key, rows.filter(rows["continues"]).select(list(FLOORS)))
    return LongTable(paths[0]), LongTable(paths[1])


def networks(study: Study, store: Store, steps: Sequence[Step]) -> pd.DataFrame:
    """The table `networks`: the network under every condition, over all shards.

    Args:
        study: what was run.
        store: holds the cells.
        steps: of the study's plan.

    Raises:
        OSError: if a cell is gone or damaged.
    """
    conditions: dict[tuple[str, int, int], Cells] = {}
    for step in steps:
        place = (step.check, step.condition.stage, step.condition.draw)
        conditions.setdefault(place, []).append((step, _cell(store, step, NETWORK)))
    rows = [_network(study, cells) for cells in conditions.values()]
    return pd.DataFrame(rows, columns=list(NETWORKS))


def trainings(trained: Mapping[NetworkName, TrainedNetwork]) -> pd.DataFrame:
    """The table `trainings`: a row per network and epoch."""
    rows = [
        (
            str(name), *name, epoch, *passed, network.train_accuracy, network.test_accuracy
        )
        for name, network in trained.items()
        for epoch, passed in enumerate(network.history, start=1)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(TRAININGS))


def examples(
    study: Study,
    store: Store,
    steps: Sequence[Step],
    outcome: Outcome,
    pixels: NDArray[np.float32],
    titles: Sequence[str],
    preprocessing: Preprocessing | None = None,
) -> Examples:
    """The maps of the first images, for the figures.

    Args:
        study: what was run.
        store: holds the cells.
        steps: of the study's plan.
        outcome: what did not apply or failed.
        pixels: `[E, H, W, C]` the images, in [0, 1].
        titles: one line per image.
        preprocessing: pixels in [0, 1] to model units, for other images that a check shows;
            default: none.

    Raises:
        OSError: if a cell is gone or damaged.
    """
    maps: dict[str, dict[str, dict[int, Any]]] = {}
    names: dict[str, dict[int, str]] = {}
    shown: dict[str, NDArray[np.float32]] = {}
    for step in steps:
        check, condition = step.check, step.condition
        if step.start > 0 or condition.draw > 0:
            continue
        own = _cell(store, step, NETWORK)
        if EXAMPLE in own and condition.stage == 0:
            shown[check] = (preprocessing or Preprocessing()).inverse(own[EXAMPLE])
        for explainer in _names_that_ran(study, check, outcome):
            cell = _cell(store, step, explainer)
            if EXAMPLE in cell:
                by_stage = maps.setdefault(check, {}).setdefault(explainer, {})
                by_stage[condition.stage] = cell[EXAMPLE]
                names.setdefault(check, {})[condition.stage] = condition.name
    return Examples(pixels, tuple(titles), maps, names, shown)


def _names_that_ran(study: Study, check: str, outcome: Outcome) -> list[str]:
    return [name for name in study.explainers if study.call(check, name) not in outcome.unavailable]


def _cell(store: Store, step: Step, name: str, *columns: str) -> dict[str, NDArray[Any]]:
    """The arrays of a cell, or only those named `columns`."""
    cell = store.cell(step.keys[name], columns or None)
    if cell is None or not cell.keys() >= set(columns):
        raise OSError(
            f"the cell of {name or 'the network'} under {step.check}, {step.condition.name}, is "
            f"gone from {store.folder} or damaged; run again to compute it anew"
        )
    return cell


def _network(study: Study, cells: Cells) -> dict[str, Any]:
    step, cell = cells[0]
    condition = step.condition
    accuracy = np.nan
    labels = [_labels(study, step, cell) for step, cell in cells]
    if labels[0] is not None:
        hits = [cell["predicted"] == own for own, (_, cell) in zip(labels, cells, strict=True)]
        accuracy = float(np.concatenate(hits).mean())
    return {
        "check": step.check,
        "stage": condition.stage,
        "condition": condition.name,
        "depth": condition.depth,
        "draw": condition.draw,
        "destroyed": condition.destroys,
        "accuracy": accuracy,
        "input_independent": all(bool(cell["input_independent"]) for _, cell in cells),
        "variables_changed": int(cell["variables_changed"]),
        "variables_exempt": int(cell["variables_exempt"]),
    }


def _labels(study: Study, step: Step, cell: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """True classes of the images that a condition shows, where they are known."""
    known = None if study.labels is None else study.labels[step.start : step.stop]
    return cell.get(LABELS, known)


# ---------------------------------------------------------------- the scores


def _pieces(
    study: Study, store: Store, steps: Sequence[Step], outcome: Outcome
) -> Iterator[tuple[Key, pa.Table]]:
    """The rows of each (check, explainer, similarity), one cell at a time, in the study's order."""
    for check, its_check in study.checks.items():
        names = {name: column(measure) for name, measure in study.measures(check).items()}
        check_steps = sorted(
            (step for step in steps if step.check == check),
            key=lambda step: (step.condition.stage, step.condition.draw, step.start),
        )
        for explainer in study.explainers:
            reason, status = _failure(check, study.call(check, explainer), outcome)
            its = [] if reason else check_steps
            cells = [(step, _cell(store, step, explainer, "target", *step.columns)) for step in its]
            if its_check.declares.statistic == "order":
                cells = [(s, c | _cell(store, s, NETWORK, "shift")) for s, c in cells]
            for similarity, name in names.items():
                key = (check, explainer, similarity)
                own = [(step, cell) for step, cell in cells if name in cell]
                why = reason or next((str(c[name]) for _, c in own if c[name].ndim == 0), None)
                if not why and all((cell[name]["status"] == LEFT_OUT).all() for _, cell in own):
                    why = "its networks are wrong on every image"
                if why:
                    yield key, _failure_table(key, why, status)
                else:
                    rows = _score_columns(own, name, its_check.declares.ceiling)
                    yield from ((key, _table(key, row)) for row in rows)


def _failure(check: str, call: str, outcome: Outcome) -> tuple[str, str]:
    """Why an explainer has no cells, empty if it has some; and the status of its row."""
    if call in outcome.failed:
        return outcome.failed[call], "error"
    refused = outcome.refused.get(call, "") or outcome.checks.get(check, "")
    return refused, NOT_APPLICABLE


def _failure_table(key: Key, reason: str, status: str) -> pa.Table:
    nothing = {"stage": 0, "draw": 0, "image": [-1], "target": -1, "depth": 0.0}
    numbers = dict.fromkeys(("score", "null", "ceiling", "floor", "shift"), np.nan)
    facts = {"condition": reason, "status": status, "continues": False}
    return _table(key, {**nothing, **numbers, **facts})


def _score_columns(cells: Cells, name: str, ceiling: Ceiling) -> Iterator[dict[str, Any]]:
    """The columns of each cell; a value that all its rows share appears once.

    Args:
        cells: of one explainer under one check, in order.
        name: of the similarity's column.
        ceiling: of the check.
    """
    ceilings: dict[tuple[int, int], NDArray[np.float64]] = {}
    for step, cell in cells:
        condition, pairs = step.condition, cell[name]
        if condition.stage == ceiling.stage:
            ceilings[condition.draw, step.start] = pairs["score"]
        # The untouched map is compared with itself, also where a later stage measures ceilings.
        has_ceiling = ceiling.stage is not None and condition.stage >= ceiling.stage
        kept = np.flatnonzero(pairs["status"] != LEFT_OUT)
        if not len(kept):
            continue
        yield {
            "stage": condition.stage,
            "condition": condition.name,
            "depth": float(condition.depth),
            "draw": condition.draw,
            "image": np.arange(step.start, step.stop)[kept],
            "target": cell["target"][kept],
            "ceiling": ceilings[condition.draw, step.start][kept] if has_ceiling else ceiling.value,
            "status": np.array(STATUSES)[pairs["status"][kept]],
            "continues": step.continues,
            "shift": cell["shift"][kept] if "shift" in cell else np.nan,
            **{field: pairs[field][kept] for field in ("score", "null", "floor")},
        }


def _table(key: Key, columns: Mapping[str, Any]) -> pa.Table:
    """A table of columns; a single value is repeated in all rows."""
    arrays = {**dict(zip(KEYS, key, strict=True)), **columns}
    length = len(columns["image"])
    return pa.table(
        {
            name: pa.repeat(value, length) if np.ndim(value) == 0 else pa.array(value)
            for name, value in arrays.items()
        }
    )
