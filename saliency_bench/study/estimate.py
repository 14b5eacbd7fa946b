"""Estimates the cost of a run from its first images, for `plan=true`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np

from saliency_bench import engine, network
from saliency_bench.engine.plan import NETWORK, Step, columns
from saliency_bench.engine.references import Maps
from saliency_bench.engine.schedule import units
from saliency_bench.engine.scoring import PAIR, Scorer
from saliency_bench.engine.spill import ROOM
from saliency_bench.protocols import Bound, Outstanding, Scene, Study, interrupts
from saliency_bench.storage.store import Store

T = TypeVar("T")

CELL_BYTES = 1500
"""Bytes of a cell in addition to its rows: names, headers, a hash."""

ROW_BYTES = 25
"""Bytes of a compressed row of the tables: mostly a score and a null."""


@dataclass(frozen=True)
class Method:
    """The remaining work with one explainer.

    Attributes:
        name: of the explainer.
        images: how often an image is explained.
        evaluations: of the network, for one image; 0 if it needs none or calls the model itself.
        seconds: to explain one image.
        scoring: seconds to score its map.
    """

    name: str
    images: int
    evaluations: float
    seconds: float
    scoring: float


@dataclass(frozen=True)
class Forecast:
    """The remaining work of a run, and its cost.

    Attributes:
        cells: how many are missing.
        there: how many exist.
        methods: by explainer.
        changes: how often the network is changed.
        change: seconds that one change takes, redrawing and proof.
        own: seconds to evaluate the network itself under all conditions.
        disk: bytes of the cells and tables that are missing.
        memory: bytes of one process; 0 if that cannot be known here.
        workers: how many processes share the work.
        cores: how many explanations a process makes at once.
        compiling: seconds in which each process compiles the explainers.
        outstanding: trainings to be done first; None if there are none.
        tuning: the fine-tuning to be done after them; None if there is none.
    """

    cells: int
    there: int
    methods: tuple[Method, ...]
    changes: int
    change: float
    own: float
    disk: int
    memory: int
    workers: int
    cores: int = 1
    compiling: float = 0.0
    outstanding: Outstanding | None = None
    tuning: Outstanding | None = None

    @property
    def seconds(self) -> float:
        """Seconds without compiling and training; one thread scores beside the explanations."""
        explaining = sum(method.images * method.seconds for method in self.methods) + self.own
        scoring = sum(method.images * method.scoring for method in self.methods)
        shared = max((explaining + scoring) / self.cores, scoring)
        return (shared + self.changes * self.change) / self.workers


def forecast(study: Study, store: Store, steps: Sequence[Step], *, workers: int = 1) -> Forecast:
    """Estimate the remaining work by timing every explainer on the first images of a study.

    Args:
        study: what is run.
        store: where cells are kept.
        steps: of its plan.
        workers: how many processes share the work.
    """
    with network.evaluating(study.batch_size, full=study.full):
        (bound, _), binding = _clock(lambda: engine.bind(study))
    names = {check: names_of(study, check, bound) for check in study.checks}
    missing = {s: [n for n in names[s.check] if store.columns(s.keys[n]) is None] for s in steps}
    images = images_explained(study, missing)
    block = study.scene.rows(slice(0, min(study.images_at_once, len(study.scene))))
    timed = [_time_explainer(study, name, bound[name], block, images[name]) for name in bound]
    remaining = [step for step in steps if missing[step]]
    change, own = _time_change(study, remaining, block)
    cells = sum(map(len, missing.values()))
    rows = sum(
        len(step) * (len(lacking) - 1) * len(step.columns)
        for step, lacking in missing.items()
        if lacking
    )
    return Forecast(
        cells=cells,
        there=sum(len(names[step.check]) for step in steps) - cells,
        methods=tuple(method for method, _ in timed),
        changes=_changes(remaining, int(np.prod(study.scene.images.shape[1:3])) * len(bound)),
        change=change,
        own=own * images[NETWORK],
        disk=cells * CELL_BYTES + rows * (PAIR.itemsize + ROW_BYTES),
        memory=_memory(),
        workers=workers,
        cores=study.cores,
        compiling=binding + sum(compiling for _, compiling in timed),
        outstanding=study.weights.outstanding,
        tuning=study.tuner.outstanding,
    )


def names_of(study: Study, check: str, bound: Collection[str]) -> list[str]:
    """The network and the explainers that a check can use."""
    return [NETWORK, *(name for name in study.explainers if study.call(check, name) in bound)]


def images_explained(study: Study, missing: Mapping[Step, Sequence[str]]) -> Counter[str]:
    """How often each explainer is called for an image, references included, by call."""
    images = Counter[str]()
    shards = set()
    for step, lacking in missing.items():
        for own in lacking:
            name = own if own == NETWORK else study.call(step.check, own)
            images[name] += len(step)
            if name != NETWORK and not step.references and (name, step.start) not in shards:
                shards.add((name, step.start))
                images[name] += len(step)
    return images


def _changes(steps: Sequence[Step], pixels: int) -> int:
    """How often weights are drawn: once for all shards of a window."""
    ordered = [step.condition for unit in units(steps, pixels) for step in unit.steps]
    return len([condition for condition, _ in groupby(ordered) if condition.stage > 0])


def _time_explainer(
    study: Study, name: str, bound: Bound, block: Scene, images: int
) -> tuple[Method, float]:
    """One explainer, timed on its second call; and what the first took longer, as it compiles."""

    def explain() -> Maps:
        return np.asarray(bound(block.images, block.targets, keys=block.keys), np.float32)

    try:
        with network.counting() as counted, study.network.guarded():
            _, first = _clock(explain)
        maps, seconds = _clock(explain)
    except Exception:  # an explainer that fails costs nothing; the run reports why
        interrupts.ask()
        return Method(name, images, 0.0, 0.0, 0.0), 0.0
    scorer, regions = Scorer(columns(study)), np.ones(maps.shape[:3], np.bool_)
    ready = scorer.prepare(maps, regions)
    _, scoring = _clock(lambda: scorer.columns(scorer.prepare(maps, regions), [ready], ready))
    count = len(block)
    method = Method(name, images, counted.rows / count, seconds / count, scoring / count)
    return method, max(0.0, first - seconds)


def _time_change(study: Study, steps: Sequence[Step], block: Scene) -> tuple[float, float]:
    """Seconds of the deepest change of the network, and of its output for one image."""
    if not steps:
        return 0.0, 0.0
    deepest = max(steps, key=lambda step: step.condition.depth)

    def change() -> float:
        with deepest.condition.applied(study.network, block) as scene:
            return _clock(lambda: study.network.outputs(scene.images))[1]

    outputs, seconds = _clock(change)
    return seconds - outputs, outputs / len(block)


def _clock(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _memory() -> int:
    """Bytes that this process has needed and may still need; 0 if the system reports none."""
    try:
        import resource
    except ImportError:  # not available on Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit + ROOM
