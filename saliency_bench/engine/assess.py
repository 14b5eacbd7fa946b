"""Metrics of the untouched network's maps: planned, computed and saved cell by cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.engine.assessments import Assessment, Pair
from saliency_bench.engine.background import Background
from saliency_bench.engine.cores import Cores
from saliency_bench.engine.explaining import Explaining
from saliency_bench.engine.fine_tuning import in_force
from saliency_bench.engine.locks import PATIENCE, Claims
from saliency_bench.engine.measuring import measure, statuses, ties
from saliency_bench.engine.outcome import LONGEST, Outcome
from saliency_bench.engine.references import Maps
from saliency_bench.protocols import (
    Bound,
    FineTuned,
    Floats,
    Ints,
    NotApplicable,
    Progress,
    RegionExplainer,
    Scene,
    SettingError,
    Study,
    interrupts,
    one_line,
)
from saliency_bench.protocols.metrics import (
    CHANCE,
    CURVE,
    VALUE,
    BoundMetric,
    Explain,
    Numbers,
)
from saliency_bench.storage.store import Store

STATUS, TIES, TARGET, KEY = "status", "ties", "target", "key"
"""Arrays of a cell beside `CHANCE` and what a metric returns: indices into `STATUSES`,
the share of each map's pixels that have the value of another one, the explained classes, and the
keys of the images."""

Call = Callable[[], Numbers | None]
"""Computes a cell; None if the metric fails."""


@dataclass
class Assessor:
    """Computes the missing cells of a plan of metrics, possibly beside other processes.

    Attributes:
        study: the study.
        store: saves the cells.
        bound: the explainers that apply, bound to the model.
        progress: shows the steps.
        outcome: learns which explainers and metrics fail, and why.
        tuned: the fine-tuned network of each metric that asks one.
    """

    study: Study
    store: Store
    bound: Mapping[str, Bound]
    progress: Progress
    outcome: Outcome = field(default_factory=Outcome)
    tuned: Mapping[str, FineTuned] = field(default_factory=dict)

    def run(self, plan: Sequence[Assessment]) -> Outcome:
        """Compute the missing cells, with explainers and metrics side by side.

        Raises:
            OSError: if a cell cannot be saved; cells saved earlier stay.
        """
        metrics = self._bind()
        counted = {part: len(self._missing(part, metrics)) for part in plan}
        waiting = [part for part, count in counted.items() if count]
        self.progress.start(sum(counted.values()))
        try:
            with (
                Cores(self.study.cores) as cores,
                Background(4) as queue,
                Claims(self.store.folder) as claims,
            ):
                explaining = Explaining(self.study, self.bound, cores, self.outcome)
                fill = partial(self._fill, metrics, explaining, cores, queue)
                while waiting:
                    others = []
                    for part in waiting:
                        if claims.take(part.key):
                            fill(part, counted[part])
                            queue.do(claims.give_back, part.key)  # once its cells are saved
                        else:
                            others.append(part)
                    queue.catch_up()
                    if len(others) == len(waiting):
                        time.sleep(PATIENCE)
                    waiting = others
        finally:
            self.progress.done()
        return self.outcome

    def _fill(
        self,
        metrics: Mapping[str, BoundMetric],
        explaining: Explaining,
        cores: Cores,
        queue: Background,
        part: Assessment,
        expected: int,
    ) -> None:
        """Compute the missing cells of a shard, except those another process saved meanwhile."""
        pairs = self._missing(part, metrics)
        self.progress.skip(expected - len(pairs))
        for pair, cell in self._cells(part, pairs, metrics, explaining, cores):
            queue.do(self._save, part.keys[pair], cell)

    def _bind(self) -> dict[str, BoundMetric]:
        bound: dict[str, BoundMetric] = {}
        for name, metric in self.study.metrics.items():
            if name in self.outcome.metrics:  # it has no network to ask
                continue
            try:
                if metric.needs_regions and self.study.regions is None:
                    raise NotApplicable("it needs masks of the images, and there are none")
                bound[name] = metric.bind(self.study.network.model)
            except NotApplicable as refusal:
                self.outcome.metrics[name] = refusal.reason
            except SettingError:
                raise
            except Exception as error:  # a user's metric may raise anything
                interrupts.ask()
                self.outcome.metrics[name] = one_line(error, longest=LONGEST)
        return bound

    def _missing(self, part: Assessment, metrics: Mapping[str, BoundMetric]) -> list[Pair]:
        return [
            (name, metric)
            for (name, metric), key in part.keys.items()
            if name in self.bound and metric in metrics and self.store.columns(key) is None
        ]

    def _cells(
        self,
        part: Assessment,
        pairs: Sequence[Pair],
        metrics: Mapping[str, BoundMetric],
        explaining: Explaining,
        cores: Cores,
    ) -> Iterator[tuple[Pair, Numbers]]:
        """The cells of some explainers and metrics, as soon as each is there."""
        rows = slice(part.start, part.stop)
        scene = replace(
            self.study.scene.rows(rows),
            regions=None if self.study.regions is None else self.study.regions[rows],
        )
        names = dict.fromkeys(name for name, _ in pairs)
        found = explaining.maps({name: [scene] for name in names})
        maps = {name: maps for name, (maps,) in found}
        calls: dict[FineTuned | None, list[tuple[Pair, Call]]] = {None: []}
        for pair in (pair for pair in pairs if pair[0] in maps):
            call = partial(self._assess, pair, metrics[pair[1]], maps[pair[0]], scene)
            calls.setdefault(self.tuned.get(pair[1]), []).append((pair, call))
        for tuned, own in calls.items():
            with in_force(self.study.network, tuned):
                for pair, cell in self._called(own, cores):
                    self.progress.step(f"{pair[1]} of {pair[0]}", pair[1])
                    if cell is not None:
                        yield pair, cell

    def _called(
        self, calls: Sequence[tuple[Pair, Call]], cores: Cores
    ) -> Iterator[tuple[Pair, Numbers | None]]:
        """The cells of calls, side by side where they may be."""
        together = (call for call in calls if self._may_run_beside(call[0]))
        alone = ((pair, call()) for pair, call in calls if not self._may_run_beside(pair))
        return chain(cores.run(together), alone)

    def _may_run_beside(self, pair: Pair) -> bool:
        """Whether other calls may run meanwhile; a metric may call the explainer again."""
        name, metric = pair
        calls_again = self.study.metrics[metric].explains
        return not calls_again or getattr(self.study.explainers[name], "thread_safe", False)

    def _assess(
        self, pair: Pair, metric: BoundMetric, maps: Maps, scene: Scene
    ) -> dict[str, NDArray[Any]] | None:
        """The cell of an explainer and a metric; None if the metric fails."""
        name = " of ".join(reversed(pair))
        if name in self.outcome.unavailable:  # it failed on earlier images
            return None
        with self.outcome.attempt(name), self.study.network.guarded():
            given: dict[str, Any] = {
                "regions": scene.regions,
                "explain": self._explain(pair[0], scene.regions),
                "keys": scene.keys,
            }
            measured = measure(metric, maps, scene, given)
            cell = {
                **measured,
                STATUS: statuses(maps, measured[VALUE]),
                TIES: ties(maps),
                TARGET: scene.targets,
                KEY: scene.keys,
            }
            settings = self.study.metrics[pair[1]]
            if settings.chance and CHANCE not in measured:
                elsewhere = settings.moved(maps, scene.keys)
                if elsewhere.shape != maps.shape:
                    raise ValueError(
                        f"moved maps must keep their shape {maps.shape}; got {elsewhere.shape}"
                    )
                knows_nothing = measure(metric, elsewhere, scene, given)
                cell[CHANCE] = knows_nothing[VALUE]
                if CURVE in knows_nothing:
                    cell[f"{CHANCE} {CURVE}"] = knows_nothing[CURVE]
            return cell
        return None

    def _explain(self, name: str, regions: NDArray[np.bool_] | None) -> Explain:
        explainer = self.study.explainers[name]

        def explain(images: Floats, targets: Ints, keys: Ints | None) -> Floats:
            if isinstance(explainer, RegionExplainer):
                return explainer.of_regions(images, regions)
            return self.bound[name](images, targets, keys=keys)

        return explain

    def _save(self, key: str, cell: Mapping[str, NDArray[Any]]) -> None:
        self.store.save_cell(key, cell)
        self.outcome.computed += 1
