"""From saved cells to the tables of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from saliency_bench.engine import NETWORK, Outcome, Step
from saliency_bench.protocols import TWINS, NetworkName, Study, TrainedNetwork
from saliency_bench.results import TRAININGS, Examples
from saliency_bench.scoring import PAIR, STATUSES
from saliency_bench.store import Store

SCORES = (
    "check", "explainer", "similarity", "stage", "condition", "depth", "draw", "image", "target",
    "score", "null", "ceiling", "status",
)  # fmt: skip
FLOORS = ("check", "explainer", "similarity", "stage", "draw", "image", "floor")
NETWORKS = (
    "check", "stage", "condition", "depth", "draw", "accuracy", "input_independent",
    "variables_changed", "variables_exempt",
)  # fmt: skip

FAILURES = ("not_applicable", "error")
"""Statuses of an explainer, or a measure, that has no pair to show."""

CATEGORIES = dict.fromkeys(("check", "explainer", "similarity", "condition"), "category")

ROWS = np.dtype([("image", "i8"), ("target", "i8"), ("ceiling", "f8"), *PAIR.descr])

Cells = list[tuple[Step, dict[str, NDArray[Any]]]]


class Piece(NamedTuple):
    """Rows of the scores that differ in nothing but the image.

    Attributes:
        continues: whether there is a floor.
        rows: `[N]` of `ROWS`.
    """

    check: str
    explainer: str
    similarity: str
    stage: int
    condition: str
    depth: float
    draw: int
    continues: bool
    rows: NDArray[np.void]


def scores(
    study: Study, store: Store, steps: Sequence[Step], outcome: Outcome
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `scores` and `floors`, names and statuses as categories.

    An explainer that does not apply, or failed, has one row per similarity with the reason in
    the place of the condition.

    Raises:
        OSError: if a cell is gone or damaged.
    """
    table = _table(list(_pieces(study, store, steps, outcome)))
    floors = table.loc[table["continues"], list(FLOORS)]
    return table[list(SCORES)], floors.reset_index(drop=True)


def networks(study: Study, store: Store, steps: Sequence[Step]) -> pd.DataFrame:
    """What the network did under every condition, over all shards.

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
    """How the networks of a run learned: a row per network and epoch."""
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
) -> Examples:
    """The maps kept for the figures, of the first images: those of `pixels`."""
    maps: dict[str, dict[str, dict[int, Any]]] = {}
    names: dict[str, dict[int, str]] = {}
    for step in steps:
        check, condition = step.check, step.condition
        if step.start > 0 or condition.draw > 0:
            continue
        for explainer in _worked(study, outcome):
            cell = _cell(store, step, explainer)
            if "example" in cell:
                kept = maps.setdefault(check, {}).setdefault(explainer, {})
                kept[condition.stage] = cell["example"]
                names.setdefault(check, {})[condition.stage] = condition.name
    return Examples(pixels, tuple(titles), maps, names)


def _worked(study: Study, outcome: Outcome) -> list[str]:
    gone = outcome.refused.keys() | outcome.failed.keys()
    return [name for name in study.explainers if name not in gone]


def _cell(
    store: Store, step: Step, name: str, columns: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    cell = store.cell(step.keys[name])
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
    if study.labels is not None:
        labels = study.labels
        hits = [cell["predicted"] == labels[step.start : step.stop] for step, cell in cells]
        accuracy = float(np.concatenate(hits).mean())
    return {
        "check": step.check,
        "stage": condition.stage,
        "condition": condition.name,
        "depth": condition.depth,
        "draw": condition.draw,
        "accuracy": accuracy,
        "input_independent": all(bool(cell["input_independent"]) for _, cell in cells),
        "variables_changed": int(cell["variables_changed"]),
        "variables_exempt": int(cell["variables_exempt"]),
    }


# ---------------------------------------------------------------- the scores


def _pieces(study: Study, store: Store, steps: Sequence[Step], outcome: Outcome) -> Iterator[Piece]:
    """In the order of the study, whatever the shards."""
    columns = {name: repr(measure) for name, measure in study.similarities.items()}
    for check in study.checks:
        own = sorted(
            (step for step in steps if step.check == check),
            key=lambda step: (step.condition.stage, step.condition.draw, step.start),
        )
        for explainer in study.explainers:
            reason, status = _failure(check, explainer, outcome)
            cells = [
                (step, _cell(store, step, explainer, columns.values()))
                for step in own
                if not reason
            ]
            for similarity, column in columns.items():
                names = (check, explainer, similarity)
                refusals = (str(cell[column]) for _, cell in cells if cell[column].ndim == 0)
                why = reason or next(refusals, None)
                if why:
                    yield _failed(names, why, status)
                else:
                    yield from _compared(names, cells, column, study.checks[check].anchor)


def _failure(check: str, explainer: str, outcome: Outcome) -> tuple[str, str]:
    """Why an explainer has no cells, empty if it has; and the status of what it lacks."""
    if explainer in outcome.failed:
        return outcome.failed[explainer], "error"
    refused = outcome.refused.get(explainer, "") or outcome.checks.get(check, "")
    return refused, "not_applicable"


def _failed(names: tuple[str, str, str], reason: str, status: str) -> Piece:
    code = len(STATUSES) + FAILURES.index(status)
    rows = np.array([(-1, -1, np.nan, np.nan, np.nan, np.nan, code)], ROWS)
    return Piece(*names, 0, reason, 0.0, 0, False, rows)


def _compared(
    names: tuple[str, str, str], cells: Cells, column: str, anchor: str
) -> Iterator[Piece]:
    twins: dict[tuple[int, int], NDArray[np.float64]] = {}
    for step, cell in cells:
        condition = step.condition
        if condition.stage == TWINS:
            twins[condition.draw, step.start] = cell[column]["score"]
        rows = np.empty(step.stop - step.start, ROWS)
        rows["image"] = np.arange(step.start, step.stop)
        rows["target"] = cell["target"]
        anchored = anchor == "twins" and condition.stage >= TWINS
        rows["ceiling"] = twins[condition.draw, step.start] if anchored else 1.0
        for name in PAIR.names or ():
            rows[name] = cell[column][name]
        yield Piece(
            *names, condition.stage, condition.name, condition.depth, condition.draw,
            step.continues, rows,
        )  # fmt: skip


def _table(pieces: Sequence[Piece]) -> pd.DataFrame:
    """All pieces below one another, with a column per label and per field of `ROWS`."""
    labels = pd.DataFrame(pieces).drop(columns="rows").astype(CATEGORIES)
    lengths = [len(piece.rows) for piece in pieces]
    table = labels.loc[labels.index.repeat(lengths)].reset_index(drop=True)
    rows = np.concatenate([piece.rows for piece in pieces])
    for name in ROWS.names or ():
        table[name] = rows[name]
    codes = np.asarray(rows["status"], np.int64)
    table["status"] = pd.Categorical.from_codes(codes, pd.Index([*STATUSES, *FAILURES]))
    return table
