"""The loop: every explainer under every condition, scored and saved cell by cell.

Knows neither which check runs nor what a model is; imports no TensorFlow.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.engine.background import Background
from saliency_bench.engine.locks import Claims
from saliency_bench.engine.outcome import EXAMPLE, EXAMPLES_ONLY, MapsToSave, Outcome
from saliency_bench.engine.plan import (
    NETWORK,
    Step,
    Task,
    Unit,
    columns,
    figure_stages,
    maps_name,
    remaining_tasks,
    span,
    units,
)
from saliency_bench.engine.references import Maps, Mark, Window, mark, require_maps
from saliency_bench.engine.scoring import Scorer
from saliency_bench.protocols import (
    Bound,
    Condition,
    NotApplicable,
    Progress,
    ProofError,
    Scene,
    Study,
)
from saliency_bench.storage.store import Store

EXAMPLES = 3
"""Images whose maps are kept for the figures."""

PATIENCE = 0.2
"""Seconds after which a claim that another process holds is asked for again."""


def bind(study: Study) -> tuple[dict[str, Bound], dict[str, str]]:
    """Every explainer bound to the study's model, and why those are missing that do not apply."""
    bound: dict[str, Bound] = {}
    refused: dict[str, str] = {}
    for name, explainer in study.explainers.items():
        try:
            bound[name] = explainer.bind(study.network.model)
        except NotApplicable as refusal:
            refused[name] = refusal.reason
    return bound, refused


class Loop:
    """Computes the missing cells of a plan, beside other processes that do the same.

    Args:
        study: what is run.
        store: where cells are saved.
        bound: the explainers that apply.
        progress: is told what is being done.
        maps_to_save: which maps are saved beside their scores.
        place: where in the plan this process begins, as a share of it; the others elsewhere.
    """

    def __init__(
        self,
        study: Study,
        store: Store,
        bound: Mapping[str, Bound],
        progress: Progress,
        *,
        maps_to_save: MapsToSave = EXAMPLES_ONLY,
        place: float = 0.0,
    ) -> None:
        self._study = study
        self._store = store
        self._bound = dict(bound)
        self._progress = progress
        self._maps_to_save = maps_to_save
        self._place = place
        self._columns = columns(study)
        self._scorer = Scorer(self._columns)
        self._there: set[str] = set()
        self._shown: set[tuple[str, int]] = set()
        self._referred: set[Mark] = set()
        self._shapes: dict[str, tuple[int, ...]] = {}
        self.outcome = Outcome()

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Compute what is missing. Scoring and saving overlap with explaining.

        Raises:
            ProofError: if a change of the network did not happen or was not undone.
            OSError: if a cell cannot be saved; the cells saved so far stay.
        """
        self._shown = figure_stages(steps) if self._maps_to_save.examples else set()
        self._referred = {mark(s.check, reference) for s in steps for reference in s.references}
        missing = self._missing(steps)
        self._progress.start(sum(missing.values()))
        try:
            with Background(4) as queue, Claims(self._store.folder) as claims:
                waiting = list(missing)
                while waiting:
                    others = self._pass(waiting, missing, claims, queue)
                    queue.catch_up()
                    if len(others) == len(waiting):
                        time.sleep(PATIENCE)
                    waiting = others
        finally:
            self._progress.done()
        return self.outcome

    def _missing(self, steps: Sequence[Step]) -> dict[Unit, int]:
        """How many cells of each unit are missing, where any are; in the order of the work."""
        pixels = int(np.prod(self._study.scene.images.shape[1:3]))
        counted = {u: _count(self._tasks(u)) for u in units(steps, pixels * len(self._bound))}
        missing = [(unit, count) for unit, count in counted.items() if count]
        keys = {key for unit, _ in missing for step in unit.steps for key in step.keys.values()}
        self.outcome.damaged = sum(map(self._store.damaged, keys - self._there))
        first = int(self._place * len(missing))
        return dict(missing[first:] + missing[:first])

    def _pass(
        self, waiting: list[Unit], missing: Mapping[Unit, int], claims: Claims, queue: Background
    ) -> list[Unit]:
        """Work through the units that wait; returns those that other processes are at."""
        others = []
        for _, units_of_one in groupby(waiting, lambda unit: unit.window):
            with Window(self._study.network, self._scorer, queue) as window:
                for unit in units_of_one:
                    if not claims.take(unit.key):
                        others.append(unit)
                        continue
                    self._work(unit, missing[unit], window, queue)
                    queue.do(claims.give_back, unit.key)  # once its cells are saved
        return others

    def _tasks(self, unit: Unit) -> list[Task]:
        return remaining_tasks(unit.steps, [NETWORK, *self._bound], self._complete)

    def _complete(self, step: Step, name: str) -> bool:
        """Whether a cell is there with all its columns, and its maps if they are wanted."""
        key = step.keys[name]
        if key not in self._there:
            have = self._store.columns(key)
            wanted = self._columns.keys() | ({EXAMPLE} if self._shows(step) else set())
            if have is None or not (name == NETWORK or have >= wanted):
                return False
            if self._maps_to_save.maps and name and not self._store.has_maps(maps_name(step, name)):
                return False
            self._there.add(key)
        return True

    def _work(self, unit: Unit, expected: int, window: Window, queue: Background) -> None:
        """Compute what is missing of a unit; another process may have done so by now."""
        tasks = self._tasks(unit)
        self._progress.skip(expected - _count(tasks))
        for task in tasks:
            self._take(task, window, queue)

    def _take(self, task: Task, window: Window, queue: Background) -> None:
        network, step = self._study.network, task.step
        scene = self._study.scene.rows(slice(step.start, step.stop))
        for reference in step.references or (None,):
            self._refer(task, reference, scene, window)
        # The network's own outputs are computed while the first explainer is at work.
        observed: dict[str, NDArray[Any]] = {}
        logits = window.logits(step, scene) if NETWORK in task.names else None
        with step.condition.applied(network, scene) as changed, Background() as beside:
            for name in task.names:
                self._progress.step(f"{step.check}: {step.condition.name}, {name or 'network'}")
                if name == NETWORK:
                    beside.do(self._observe, step, logits, changed, observed)
                elif name not in self.outcome.gone:
                    self._explain(task, name, scene, changed, window, queue)
            beside.catch_up()
        if observed:
            queue.do(self._save, step.keys[NETWORK], observed)

    def _refer(self, task: Task, reference: Condition | None, scene: Scene, window: Window) -> None:
        """Make the maps of a condition, or the untouched ones, ready to be compared with."""
        step, its = task.step, mark(task.step.check, reference)
        asked = [n for n in task.missing if n != NETWORK and not window.knows(step, n, its)]
        lacking = [name for name in asked if name not in self.outcome.gone]
        if not lacking:
            return
        change: AbstractContextManager[Scene] = nullcontext(scene)
        if reference is not None:
            change = reference.applied(self._study.network, scene)
        with change as changed:
            for name in lacking:
                maps = self._maps(name, changed)
                if maps is None:
                    continue
                window.refer(step, name, its, maps)
                if reference is not None:
                    window.set_aside(step, name, its, maps)

    def _explain(
        self,
        task: Task,
        name: str,
        scene: Scene,
        changed: Scene,
        window: Window,
        queue: Background,
    ) -> None:
        step = task.step
        its = mark(step.check, step.condition)
        maps = window.ahead(step, name, its)
        if maps is None:
            if not self._study.explainers[name].stochastic:
                changed = replace(changed, keys=scene.keys)
            maps = self._maps(name, changed)
            if maps is None:
                return
            if its in self._referred:
                window.refer(step, name, its, maps)
        scene = replace(scene, targets=changed.targets)
        if name in task.missing:
            queue.do(self._score, step, name, maps, scene, window)
        else:
            window.hold(step, name, maps)

    def _score(self, step: Step, name: str, maps: Maps, scene: Scene, window: Window) -> None:
        marks = [mark(step.check, reference) for reference in step.references or (None,)]
        columns = window.columns(step, name, maps, marks)
        columns["target"] = scene.targets
        if self._shows(step):
            columns[EXAMPLE] = maps[:EXAMPLES].sum(axis=-1, keepdims=True)
        if self._maps_to_save.maps:
            self._store.save_maps(maps_name(step, name), maps)
        self._save(step.keys[name], columns)

    def _shows(self, step: Step) -> bool:
        """Whether maps of this step stand in a figure."""
        first = step.start == 0 and step.condition.draw == 0
        return first and (step.check, step.condition.stage) in self._shown

    def _save(self, key: str, columns: Mapping[str, NDArray[Any]]) -> None:
        self._store.save_cell(key, columns)
        self.outcome.computed += 1

    def _maps(self, name: str, scene: Scene) -> Maps | None:
        """Maps of all images of a shard; None, and a note why, if there are none."""
        try:
            maps = np.concatenate([self._call(name, part) for part in self._parts(scene)])
            require_maps(maps, len(scene), self._shapes.setdefault(name, maps.shape[1:]))
            return maps
        except NotApplicable as refusal:
            self.outcome.refused[name] = refusal.reason
        except Exception as error:
            # An explainer of the user's may raise anything; its neighbours must go on.
            self.outcome.failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        return None

    def _parts(self, scene: Scene) -> list[Scene]:
        """What is explained in one call: it depends neither on shards nor on what is missing."""
        size = span(self._study.batch_size)
        return [scene.rows(slice(start, start + size)) for start in range(0, len(scene), size)]

    def _call(self, name: str, part: Scene) -> Maps:
        # Copies: an explainer that writes into its arguments must not spoil its neighbours'.
        images, targets, keys = part.images.copy(), part.targets.copy(), part.keys.copy()
        return np.asarray(self._bound[name](images, targets, keys=keys), np.float32)

    def _observe(
        self, step: Step, logits: Maps, changed: Scene, observed: dict[str, NDArray[Any]]
    ) -> None:
        """Fill in what the network itself does under a condition; proves that it moved."""
        moved = self._study.network.outputs(changed.images)
        if step.condition.moves_output and np.array_equal(moved, logits):
            raise ProofError(
                f"the output did not move under {step.condition.name!r}: "
                "the model does not use the weights that were changed; exclude such layers"
            )
        alike = moved.std(axis=0).max() < 1e-5 * np.abs(moved).mean()
        observed["predicted"] = moved.argmax(axis=1)
        observed["input_independent"] = np.array(len(moved) > 1 and bool(alike))
        for name, value in self._study.network.evidence().items():
            observed[name] = np.array(value)


def _count(tasks: Sequence[Task]) -> int:
    return sum(len(task.names) for task in tasks)
