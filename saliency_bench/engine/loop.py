"""The loop: every explainer under every condition, scored and saved cell by cell.

It is independent of checks and of the kind of model, and imports no TensorFlow.
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
from saliency_bench.engine.plan import NETWORK, Step, columns, figure_stages, maps_name, span
from saliency_bench.engine.references import Maps, Mark, Window, mark_of, require_maps
from saliency_bench.engine.schedule import Task, Unit, remaining_tasks, units
from saliency_bench.engine.scoring import Scorer
from saliency_bench.protocols import (
    Bound,
    Condition,
    Progress,
    ProofError,
    Scene,
    Study,
    interrupts,
)
from saliency_bench.storage.store import Store

EXAMPLES = 3
"""Number of images whose maps are saved for the figures."""

PATIENCE = 0.2
"""Seconds until a unit that another process has claimed is tried again."""


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
        self._columns = {check: columns(study, check) for check in study.checks}
        self._scorer = Scorer(columns(study))
        self._complete_keys: set[str] = set()
        self._figure_stages: set[tuple[str, int]] = set()
        self._reference_marks: set[Mark] = set()
        self._shapes: dict[str, tuple[int, ...]] = {}
        self.outcome = Outcome()

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Compute the missing cells of some steps. Scoring and saving overlap with explaining.

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
            with Background(4) as queue, Claims(self._store.folder) as claims:
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
            wanted = self._columns[step.check].keys() | (
                {EXAMPLE} if self._is_in_figures(step) else set()
            )
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
        for reference in step.references or (None,):
            self._make_reference(task, reference, scene, window)
        # The network's own outputs are computed while the first explainer runs.
        outputs: list[Maps] = []
        observed: dict[str, NDArray[Any]] = {}
        logits = window.logits(step, scene) if NETWORK in task.names else None
        failed = len(self.outcome.failed)
        with step.condition.applied(network, scene) as changed, Background() as background:
            for name in task.names:
                interrupts.ask()  # one that a destructor lost
                self._progress.step(f"{step.check}: {step.condition.name}, {name or 'network'}")
                if name == NETWORK:
                    background.do(self._evaluate_network, changed, outputs)
                elif self._study.call(step.check, name) not in self.outcome.unavailable:
                    self._explain(task, name, scene, changed, window, queue)
            background.catch_up()
            if len(self.outcome.failed) > failed:  # that explainer may have changed the network
                self._evaluate_network(changed, outputs)
            if logits is not None:
                observed = self._observe(step, logits, outputs[-1])
        if observed:
            queue.do(self._save, step.keys[NETWORK], observed)

    def _make_reference(
        self, task: Task, reference: Condition | None, scene: Scene, window: Window
    ) -> None:
        """Compute the reference maps of a condition, or of the unchanged network if None."""
        step, mark = task.step, mark_of(task.step.check, reference)
        calls = [self._study.call(step.check, name) for name in task.missing if name != NETWORK]
        missing = [call for call in calls if not window.knows(step, call, mark)]
        names = [call for call in missing if call not in self.outcome.unavailable]
        if not names:
            return
        change: AbstractContextManager[Scene] = nullcontext(scene)
        if reference is not None:
            change = reference.applied(self._study.network, scene)
        with change as changed:
            for name in names:
                maps = self._maps(name, changed)
                if maps is None:
                    continue
                window.add_reference(step, name, mark, maps)
                if reference is not None:
                    window.set_aside(step, name, mark, maps)

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
        mark, call = mark_of(step.check, step.condition), self._study.call(step.check, name)
        maps = window.take_early(step, call, mark)
        if maps is None:
            if not self._asked[call].stochastic:
                changed = replace(changed, keys=scene.keys)
            maps = self._maps(call, changed)
            if maps is None:
                return
            if mark in self._reference_marks:
                window.add_reference(step, call, mark, maps)
        scene = replace(scene, targets=changed.targets)
        if name in task.missing:
            queue.do(self._score, step, name, maps, scene, window)
        else:
            window.store_for_floor(step, call, maps)

    def _score(self, step: Step, name: str, maps: Maps, scene: Scene, window: Window) -> None:
        marks = [mark_of(step.check, reference) for reference in step.references or (None,)]
        call = self._study.call(step.check, name)
        columns = window.columns(step, call, maps, marks, self._columns[step.check])
        columns["target"] = scene.targets
        if self._is_in_figures(step):
            columns[EXAMPLE] = maps[:EXAMPLES].sum(axis=-1, keepdims=True)
        if self._maps_to_save.maps:
            self._store.save_maps(maps_name(step, name), maps)
        self._save(step.keys[name], columns)

    def _is_in_figures(self, step: Step) -> bool:
        """Whether a figure shows maps of this step."""
        first = step.start == 0 and step.condition.draw == 0
        return first and (step.check, step.condition.stage) in self._figure_stages

    def _save(self, key: str, columns: Mapping[str, NDArray[Any]]) -> None:
        self._store.save_cell(key, columns)
        self.outcome.computed += 1

    def _maps(self, name: str, scene: Scene) -> Maps | None:
        """Maps of all images of a shard; None if the explainer fails (`outcome` says why)."""
        with self.outcome.attempt(name), self._study.network.guarded() as taken:
            maps = np.concatenate([self._call(name, part) for part in self._calls(scene)])
            self.outcome.note(name, taken)
            require_maps(maps, len(scene), self._shapes.setdefault(name, maps.shape[1:]))
            return maps
        return None

    def _calls(self, scene: Scene) -> list[Scene]:
        """The images of each call; independent of shards and of what is missing."""
        size = span(self._study.batch_size)
        return [scene.rows(slice(start, start + size)) for start in range(0, len(scene), size)]

    def _call(self, name: str, part: Scene) -> Maps:
        # Copies: an explainer that writes into its arguments must not change those of others.
        images, targets, keys = part.images.copy(), part.targets.copy(), part.keys.copy()
        return np.asarray(self._bound[name](images, targets, keys=keys), np.float32)

    def _evaluate_network(self, changed: Scene, outputs: list[Maps]) -> None:
        """Append the network's own outputs under the condition in force."""
        outputs.append(self._study.network.outputs(changed.images))

    def _observe(self, step: Step, logits: Maps, moved: Maps) -> dict[str, NDArray[Any]]:
        """The network's own cell under a condition.

        Args:
            step: with the condition.
            logits: `[N, K]` outputs of the unchanged network.
            moved: `[N, K]` outputs under the condition.

        Raises:
            ProofError: if the condition must change the outputs and does not.
        """
        if step.condition.moves_output and np.array_equal(moved, logits):
            raise ProofError(
                f"the output did not move under {step.condition.name!r}: "
                "the model does not use the weights that were changed; exclude such layers"
            )
        equal = moved.std(axis=0).max() < 1e-5 * np.abs(moved).mean()
        rows = np.arange(len(moved)), self._study.scene.targets[step.start : step.stop]
        return {
            "predicted": moved.argmax(axis=1),
            "shift": np.abs(np.asarray(moved, np.float64)[rows] - logits[rows]),
            "input_independent": np.array(len(moved) > 1 and bool(equal)),
            **{name: np.array(n) for name, n in self._study.network.evidence().items()},
        }


def _count(tasks: Sequence[Task]) -> int:
    return sum(len(task.names) for task in tasks)
