"""The loop: every explainer under every condition, scored and saved cell by cell.

Knows neither which check runs nor what a model is; imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from saliency_bench.behind import Behind
from saliency_bench.outcome import Outcome, Progress, Silent
from saliency_bench.protocols import Bound, Condition, NotApplicable, ProofError, Scene, Study
from saliency_bench.scoring import Mark, Scorer
from saliency_bench.steps import NETWORK, Step, Task, columns, families, plan, remaining, span
from saliency_bench.store import Store

__all__ = ["NETWORK", "Loop", "Outcome", "Progress", "Silent", "Step", "bind", "families", "plan"]

EXAMPLES = 3
"""Images whose maps are kept for the figures."""

EXAMPLE_STAGES = 7
"""Most stages of a cascade that the figures show."""


@dataclass
class Shard:
    """What all steps on one shard share.

    Attributes:
        scene: its images, untouched.
        logits: `[N, K]` of the untouched network.
        scorers: by explainer, with the reference maps ready to be compared with.
        ahead: maps of conditions whose own step is still to come, by explainer and mark.
    """

    scene: Scene
    logits: NDArray[np.float32]
    scorers: dict[str, Scorer] = field(default_factory=dict)
    ahead: dict[tuple[str, Mark], NDArray[np.float32]] = field(default_factory=dict)


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
    """Computes the missing cells of a plan.

    Args:
        study: what is run.
        store: where cells are saved.
        bound: the explainers that apply.
        progress: is told what is being done.
        save_maps: keep the raw maps of every cell.
    """

    def __init__(
        self,
        study: Study,
        store: Store,
        bound: Mapping[str, Bound],
        progress: Progress,
        *,
        save_maps: bool = False,
    ) -> None:
        self._study = study
        self._store = store
        self._bound = dict(bound)
        self._progress = progress
        self._save_maps = save_maps
        self._columns = columns(study)
        self._shown: set[tuple[str, int]] = set()
        self._referred: set[Mark] = set()
        self.outcome = Outcome()

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Compute what is missing. Scoring and saving overlap with explaining.

        Raises:
            ProofError: if a change of the network did not happen or was not undone.
            OSError: if a cell cannot be saved; the cells saved so far stay.
        """
        self._shown = _shown(steps)
        self._referred = {_mark(s.check, reference) for s in steps for reference in s.references}
        tasks = remaining(steps, [NETWORK, *self._bound], self._complete)
        self._progress.start(sum(len(task.names) for task in tasks))
        try:
            with Behind() as behind:
                for (start, stop), group in groupby(tasks, lambda t: (t.step.start, t.step.stop)):
                    shard = self._shard(slice(start, stop))
                    for task in group:
                        self._take(task, shard, behind)
                behind.catch_up()
        finally:
            self._progress.done()
        return self.outcome

    def _complete(self, step: Step, name: str) -> bool:
        """Whether a cell is there with all its columns; counts damaged ones."""
        have = self._store.columns(step.keys[name])
        if have is None:
            self.outcome.damaged += self._store.damaged(step.keys[name])
            return False
        if name == NETWORK:
            return True
        kept = not self._save_maps or self._store.maps_path(_maps_name(step, name)).exists()
        return kept and have >= self._columns.keys()

    def _shard(self, rows: slice) -> Shard:
        scene = self._study.scene.rows(rows)
        return Shard(scene, self._study.network.outputs(scene.images))

    def _take(self, task: Task, shard: Shard, behind: Behind) -> None:
        network, step = self._study.network, task.step
        gone = {NETWORK, *self.outcome.refused, *self.outcome.failed}
        for name in task.names:
            if name not in gone and name not in shard.scorers:
                shard.scorers[name] = Scorer(self._columns, shard.scene)
        for reference in step.references or (None,):
            self._refer(step.check, reference, task.missing, shard)
        # The network's own outputs are computed while the first explainer is at work.
        observed: dict[str, NDArray[Any]] = {}
        with step.condition.applied(network, shard.scene) as changed, Behind() as beside:
            for name in task.names:
                self._progress.step(f"{step.check}: {step.condition.name}, {name or 'network'}")
                if name == NETWORK:
                    beside.do(self._observe, step, shard, changed, observed)
                elif name in shard.scorers:
                    self._explain(task, name, shard, changed, behind)
            beside.catch_up()
        if observed:
            behind.do(self._save, step.keys[NETWORK], observed)

    def _refer(
        self, check: str, reference: Condition | None, names: Sequence[str], shard: Shard
    ) -> None:
        """Make the maps of a condition, or the untouched ones, ready to be compared with."""
        mark = _mark(check, reference)
        lacking = [n for n in names if n in shard.scorers and not shard.scorers[n].knows(mark)]
        if not lacking:
            return
        change: AbstractContextManager[Scene] = nullcontext(shard.scene)
        if reference is not None:
            change = reference.applied(self._study.network, shard.scene)
        with change as scene:
            for name in lacking:
                maps = self._maps(name, scene, shard.scorers[name].shape)
                if maps is None:
                    del shard.scorers[name]
                    continue
                shard.scorers[name].refer(mark, maps)
                if mark is not None:
                    shard.ahead[name, mark] = maps

    def _explain(self, task: Task, name: str, shard: Shard, changed: Scene, behind: Behind) -> None:
        step, scorer = task.step, shard.scorers[name]
        mark = _mark(step.check, step.condition)
        maps = shard.ahead.pop((name, mark), None)
        if maps is None:
            if not self._study.explainers[name].stochastic:
                changed = replace(changed, keys=shard.scene.keys)
            maps = self._maps(name, changed, scorer.shape)
            if maps is not None and mark in self._referred:
                scorer.refer(mark, maps)
        if maps is None:
            del shard.scorers[name]
        elif name in task.missing:
            behind.do(self._score, step, name, scorer, changed.targets, maps)
        else:
            behind.do(scorer.hold, maps)

    def _score(
        self,
        step: Step,
        name: str,
        scorer: Scorer,
        targets: NDArray[np.int64],
        maps: NDArray[np.float32],
    ) -> None:
        marks = [_mark(step.check, reference) for reference in step.references or (None,)]
        columns = scorer.columns(maps, marks, continues=step.continues)
        columns["target"] = targets
        stage = (step.check, step.condition.stage)
        if step.start == 0 and step.condition.draw == 0 and stage in self._shown:
            columns["example"] = maps[:EXAMPLES].sum(axis=-1, keepdims=True)
        if self._save_maps:
            self._store.save_maps(_maps_name(step, name), maps)
        self._save(step.keys[name], columns)

    def _save(self, key: str, columns: Mapping[str, NDArray[Any]]) -> None:
        self._store.save_cell(key, columns)
        self.outcome.computed += 1

    def _maps(
        self, name: str, scene: Scene, shape: tuple[int, ...] | None = None
    ) -> NDArray[np.float32] | None:
        """Maps of all images of a shard; None, and a note why, if there are none."""
        try:
            maps = np.concatenate([self._call(name, part) for part in self._parts(scene)])
            _require_maps(maps, len(scene), shape)
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

    def _call(self, name: str, part: Scene) -> NDArray[np.float32]:
        # Copies: an explainer that writes into its arguments must not spoil its neighbours'.
        images, targets, keys = part.images.copy(), part.targets.copy(), part.keys.copy()
        return np.asarray(self._bound[name](images, targets, keys=keys), np.float32)

    def _observe(
        self, step: Step, shard: Shard, changed: Scene, observed: dict[str, NDArray[Any]]
    ) -> None:
        """Fill in what the network itself does under a condition; proves that it moved."""
        logits = self._study.network.outputs(changed.images)
        if step.condition.moves_output and np.array_equal(logits, shard.logits):
            raise ProofError(
                f"the output did not move under {step.condition.name!r}: "
                "the model does not use the weights that were changed; exclude such layers"
            )
        alike = logits.std(axis=0).max() < 1e-5 * np.abs(logits).mean()
        observed["predicted"] = logits.argmax(axis=1)
        observed["input_independent"] = np.array(len(logits) > 1 and bool(alike))
        for name, value in self._study.network.evidence().items():
            observed[name] = np.array(value)


def _mark(check: str, condition: Condition | None) -> Mark:
    """What the maps of a condition are known by in a shard; None for the untouched maps."""
    return None if condition is None else (check, condition.stage, condition.draw)


def _shown(steps: Sequence[Step]) -> set[tuple[str, int]]:
    """Check and stage of what the figures show: a few, evenly, with the first and the last."""
    shown = set()
    for check in {step.check for step in steps}:
        stages = sorted({s.condition.stage for s in steps if s.check == check})
        places = np.linspace(0, len(stages) - 1, min(len(stages), EXAMPLE_STAGES + 1)).round()
        shown |= {(check, stages[int(place)]) for place in places}
    return shown


def _require_maps(maps: NDArray[Any], count: int, shape: tuple[int, ...] | None) -> None:
    if maps.ndim != 4 or len(maps) != count or maps.size == 0:
        raise ValueError(f"maps must be [{count}, H, W, C]; got shape {maps.shape}")
    if shape is not None and maps.shape != shape:
        raise ValueError(f"maps must keep their shape {shape} under a change; got {maps.shape}")


def _maps_name(step: Step, name: str) -> str:
    where = f"{step.condition.stage:03d}-{step.condition.draw:02d}-{step.start:06d}"
    folder = "/".join(quote(part, safe=" ") for part in (step.check, name))
    # The key's head tells apart the maps of two studies in one folder.
    return f"{folder}/{where}-{step.keys[name][:8]}"
