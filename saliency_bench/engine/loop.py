"""The loop: every explainer under every condition, scored and saved cell by cell.

It is independent of checks and of the kind of model, and imports no TensorFlow.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.engine.background import Background
from saliency_bench.engine.cores import Cores
from saliency_bench.engine.explaining import Explaining
from saliency_bench.engine.locks import PATIENCE, Claims
from saliency_bench.engine.observed import observe, other_images
from saliency_bench.engine.outcome import (
    EXAMPLE,
    EXAMPLES,
    EXAMPLES_ONLY,
    MapsToSave,
    Outcome,
)
from saliency_bench.engine.plan import NETWORK, Step, columns, figure_stages, maps_name
from saliency_bench.engine.references import Found, Maps, Mark, Window, mark_of
from saliency_bench.engine.schedule import Task, Unit, remaining_tasks, units
from saliency_bench.engine.scoring import Scorer
from saliency_bench.protocols import (
    Bound,
    Condition,
    Ints,
    Progress,
    Scene,
    Study,
)
from saliency_bench.storage.store import Store


class Loop:
    """Computes the missing cells of a plan, possibly beside other processes.

    Args:
        study: the study to run.
        store: saves the cells.
        bound: what is asked of explainers and applies, bound to the model.
        progress: shows the steps.
        maps_to_save: which maps are saved beside their scores.
        place: where in the plan this process begins, a share in [0, 1); differs between processes.
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
        self._asked = study.calls()
        self._progress = progress
        self._maps_to_save = maps_to_save
        self._place = place
        self._scorer = Scorer(columns(study))
        self._columns = {check: columns(study, check).keys() for check in study.checks}
        self._compared: dict[str, set[str]] = {}
        for check, own in self._columns.items():
            for name in study.explainers:
                self._compared.setdefault(study.call(check, name), set()).update(own)
        self._complete_keys: set[str] = set()
        self._figure_stages: set[tuple[str, int]] = set()
        self._reference_marks: set[Mark] = set()
        self.outcome = Outcome()
        self._cores = Cores(study.cores)
        self._explaining = Explaining(study, bound, self._cores, self.outcome)

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Compute the missing cells of some steps.

        Explainers run side by side; scoring and saving overlap with explaining.

        Raises:
            ProofError: if a change of the network did not happen or was not undone.
            OSError: if a cell cannot be saved; cells saved earlier stay.
        """
        self._figure_stages = figure_stages(steps) if self._maps_to_save.examples else set()
        self._reference_marks = {
            mark_of(s.check, reference) for s in steps for reference in s.references
        }
        missing = self._missing(steps)
        self._progress.start(sum(missing.values()))
        try:
            with self._cores, Background(4) as queue, Claims(self._store.folder) as claims:
                waiting = list(missing)
                while waiting:
                    others = self._compute_units(waiting, missing, claims, queue)
                    queue.catch_up()
                    if len(others) == len(waiting):
                        time.sleep(PATIENCE)
                    waiting = others
        finally:
            self._progress.done()
        return self.outcome

    def _missing(self, steps: Sequence[Step]) -> dict[Unit, int]:
        """Number of missing cells of each incomplete unit, in the order of the work."""
        pixels = int(np.prod(self._study.scene.images.shape[1:3]))
        counted = {u: _count(self._tasks(u)) for u in units(steps, pixels * len(self._bound))}
        missing = [(unit, count) for unit, count in counted.items() if count]
        keys = {key for unit, _ in missing for step in unit.steps for key in step.keys.values()}
        self.outcome.damaged = sum(map(self._store.damaged, keys - self._complete_keys))
        first = int(self._place * len(missing))
        return dict(missing[first:] + missing[:first])

    def _compute_units(
        self, waiting: list[Unit], missing: Mapping[Unit, int], claims: Claims, queue: Background
    ) -> list[Unit]:
        """Compute the waiting units; return those that other processes have claimed."""
        others = []
        for _, units_of_one in groupby(waiting, lambda unit: unit.window):
            with Window(self._study.network, self._scorer, queue) as window:
                for unit in units_of_one:
                    if not claims.take(unit.key):
                        others.append(unit)
                        continue
                    self._compute_unit(unit, missing[unit], window, queue)
                    queue.do(claims.give_back, unit.key)  # once its cells are saved
        return others

    def _tasks(self, unit: Unit) -> list[Task]:
        check = unit.steps[0].check
        names = [n for n in self._study.explainers if self._study.call(check, n) in self._bound]
        return remaining_tasks(unit.steps, [NETWORK, *names], self._complete)

    def _complete(self, step: Step, name: str) -> bool:
        """Whether a cell exists with all its columns, and its maps if they are to be saved."""
        key = step.keys[name]
        if key not in self._complete_keys:
            have = self._store.columns(key)
            wanted = {*step.columns, EXAMPLE} if self._is_in_figures(step) else {*step.columns}
            if have is None or not (name == NETWORK or have >= wanted):
                return False
            if self._maps_to_save.maps and name and not self._store.has_maps(maps_name(step, name)):
                return False
            self._complete_keys.add(key)
        return True

    def _compute_unit(self, unit: Unit, expected: int, window: Window, queue: Background) -> None:
        """Compute the missing cells of a unit, except those another process has saved meanwhile."""
        tasks = self._tasks(unit)
        self._progress.skip(expected - _count(tasks))
        for task in tasks:
            self._run_task(task, window, queue)

    def _run_task(self, task: Task, window: Window, queue: Background) -> None:
        network, step = self._study.network, task.step
        scene = self._study.scene.rows(slice(step.start, step.stop))
        if not step.untouched:
            for reference in step.references or (None,):
                self._make_reference(task, reference, scene, window)
        logits = window.logits(step, scene) if NETWORK in task.names else None
        failed = len(self.outcome.failed)
        observed: dict[str, NDArray[Any]] = {}
        with step.condition.applied(network, scene) as changed:
            moved = self._explain(task, scene, changed, window, queue)
            if len(self.outcome.failed) > failed:  # that explainer may have changed the network
                moved = network.outputs(changed.images)
            if logits is not None and moved is not None:
                observed = {
                    **observe(step, scene.targets, logits, moved, network.evidence()),
                    **other_images(scene, changed),
                }
        if observed:
            queue.do(self._save, step.keys[NETWORK], observed)

    def _make_reference(
        self, task: Task, reference: Condition | None, scene: Scene, window: Window
    ) -> None:
        """Compute the reference maps of a condition, or of the unchanged network if None."""
        step, mark = task.step, mark_of(task.step.check, reference)
        calls = self._without_reference(task, mark, window)
        if not calls:
            return
        change: AbstractContextManager[Scene] = nullcontext(scene)
        if reference is not None:
            change = reference.applied(self._study.network, scene)
        with change as changed:
            for call, (maps,) in self._explaining.maps({call: [changed] for call in calls}):
                self._add_reference(step, call, mark, Found(maps, changed.regions), window)
                if reference is not None:
                    window.set_aside(step, call, mark, maps)

    def _without_reference(self, task: Task, mark: Mark, window: Window) -> list[str]:
        """Which calls of the missing cells have no reference maps of that mark yet."""
        calls = [self._call(task.step, name) for name in task.missing if name != NETWORK]
        missing = [call for call in calls if not window.knows(task.step, call, mark)]
        return [call for call in missing if call not in self.outcome.unavailable]

    def _add_reference(
        self, step: Step, call: str, mark: Mark, found: Found, window: Window
    ) -> None:
        window.add_reference(step, call, mark, found, self._compares(step, call, mark))

    def _compares(self, step: Step, call: str, mark: Mark) -> Collection[str]:
        """The columns for which maps are references: checks share the unchanged network's."""
        return self._compared[call] if mark is None else self._columns[step.check]

    def _explain(
        self, task: Task, scene: Scene, changed: Scene, window: Window, queue: Background
    ) -> Maps | None:
        """Explain a shard under a condition; returns the network's own outputs, if missing.

        Where the network is the untouched one, each explainer makes its reference maps just
        before: its cell is saved while others are still at work.
        """
        step, mark = task.step, mark_of(task.step.check, task.step.condition)
        names = {self._call(step, name): name for name in task.names}

        def begin(call: str) -> None:
            what = f"{step.check}: {step.condition.name}, {names[call] or 'network'}"
            self._progress.step(what, call)

        same_noise = replace(changed, keys=scene.keys)
        first = set(self._without_reference(task, None, window)) if step.untouched else set()
        scenes: dict[str, list[Scene]] = {}
        moved: Maps | None = None
        for call, name in names.items():
            early = None if call in first else window.take_early(step, call, mark)
            if early is not None or call in self.outcome.unavailable:
                begin(call)
            if early is not None:
                self._keep(task, name, early, changed, window, queue)
            if early is not None or call in self.outcome.unavailable:
                continue
            stochastic = call == NETWORK or self._asked[call].stochastic
            own = changed if stochastic else same_noise
            scenes[call] = [scene, own] if call in first else [own]
        for call, (*references, maps) in self._explaining.maps(scenes, begin):
            if call == NETWORK:
                moved = maps
                continue
            for reference in references:
                self._add_reference(step, call, None, Found(reference, scene.regions), window)
            if mark in self._reference_marks:
                self._add_reference(step, call, mark, Found(maps, changed.regions), window)
            self._keep(task, names[call], maps, changed, window, queue)
        return moved

    def _call(self, step: Step, name: str) -> str:
        """What a check asks an explainer for, see `Study.call`; the network stays itself."""
        return name if name == NETWORK else self._study.call(step.check, name)

    def _keep(
        self, task: Task, name: str, maps: Maps, changed: Scene, window: Window, queue: Background
    ) -> None:
        """Score and save maps in the background, or keep them for the floor of the next draw."""
        found = Found(maps, changed.regions)
        if name in task.missing:
            queue.do(self._score, task.step, name, found, changed.targets, window)
        else:
            window.store_for_floor(task.step, self._call(task.step, name), found)

    def _score(self, step: Step, name: str, found: Found, targets: Ints, window: Window) -> None:
        marks = [mark_of(step.check, reference) for reference in step.references or (None,)]
        scores = window.columns(step, self._call(step, name), found, marks)
        scores["target"] = targets
        if self._is_in_figures(step):
            scores[EXAMPLE] = found.maps[:EXAMPLES].sum(axis=-1, keepdims=True)
        if self._maps_to_save.maps:
            self._store.save_maps(maps_name(step, name), found.maps)
        self._save(step.keys[name], scores)

    def _is_in_figures(self, step: Step) -> bool:
        """Whether a figure shows maps of this step."""
        first = step.start == 0 and step.condition.draw == 0
        return first and (step.check, step.condition.stage) in self._figure_stages

    def _save(self, key: str, columns: Mapping[str, NDArray[Any]]) -> None:
        self._store.save_cell(key, columns)
        self.outcome.computed += 1


def _count(tasks: Sequence[Task]) -> int:
    return sum(len(task.names) for task in tasks)
