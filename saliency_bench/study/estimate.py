"""What a run would take, measured on its first images: `plan=true`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np

from saliency_bench import engine, network
from saliency_bench.engine.plan import NETWORK, Step, columns, span
from saliency_bench.engine.references import Maps
from saliency_bench.engine.schedule import units
from saliency_bench.engine.scoring import PAIR, Scorer
from saliency_bench.engine.spill import ROOM
from saliency_bench.protocols import Bound, Scene, Study
from saliency_bench.storage.store import Store

T = TypeVar("T")

CELL_BYTES = 1500
"""What a cell takes beside its rows: names, headers, a hash."""

ROW_BYTES = 25
"""What a row of the tables takes, compressed: mostly a score and a null."""


@dataclass(frozen=True)
class Method:
    """What is left to do with one explainer.

    Attributes:
        name: of the explainer.
        images: how often an image is explained.
        evaluations: of the network, for one image; 0 if it does without, or with a model call of
            its own.
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
    """What is left to do of a run, and what it would take.

    Attributes:
        cells: how many are missing.
        there: how many there are.
        methods: by explainer.
        changes: how often the network is changed.
        change: seconds that one change takes, redrawing and proof.
        own: seconds to evaluate the network itself under all conditions.
        disk: bytes of the cells and tables that are missing.
        memory: bytes of one process; 0 if that cannot be known here.
        workers: how many processes share the work.
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

    @property
    def seconds(self) -> float:
        """Of the whole; scoring goes on beside explaining."""
        explaining = sum(method.images * method.seconds for method in self.methods)
        scoring = sum(method.images * method.scoring for method in self.methods)
        return max(explaining + self.own + self.changes * self.change, scoring) / self.workers


def forecast(study: Study, store: Store, steps: Sequence[Step], *, workers: int = 1) -> Forecast:
    """What is left of a plan, from timing every explainer on the first images of a study."""
    with network.evaluating(study.batch_size):
        bound, _ = engine.bind(study)
    names = [NETWORK, *bound]
    missing = {s: [n for n in names if store.columns(s.keys[n]) is None] for s in steps}
    images = _images(missing)
    block = study.scene.rows(slice(0, min(span(study.batch_size), len(study.scene))))
    methods = tuple(_timed(study, name, bound[name], block, images[name]) for name in bound)
    left = [step for step in steps if missing[step]]
    change, own = _changed(study, left, block)
    cells = sum(map(len, missing.values()))
    rows = sum(len(step) * (len(lacking) - 1) for step, lacking in missing.items() if lacking)
    return Forecast(
        cells=cells,
        there=len(steps) * len(names) - cells,
        methods=methods,
        changes=_changes(left, int(np.prod(study.scene.images.shape[1:3])) * len(bound)),
        change=change,
        own=own * images[NETWORK],
        disk=cells * CELL_BYTES + rows * len(columns(study)) * (PAIR.itemsize + ROW_BYTES),
        memory=_memory(),
        workers=workers,
    )


def _images(missing: Mapping[Step, Sequence[str]]) -> Counter[str]:
    """How often an image is explained with each explainer, references included."""
    images = Counter[str]()
    shards = set()
    for step, lacking in missing.items():
        for name in lacking:
            images[name] += len(step)
            if name != NETWORK and not step.references and (name, step.start) not in shards:
                shards.add((name, step.start))
                images[name] += len(step)
    return images


def _changes(steps: Sequence[Step], kept: int) -> int:
    """How often weights are drawn: once for all shards of a window."""
    ordered = [step.condition for unit in units(steps, kept) for step in unit.steps]
    return len([condition for condition, _ in groupby(ordered) if condition.stage > 0])


def _timed(study: Study, name: str, bound: Bound, block: Scene, images: int) -> Method:
    """One explainer, called twice: the first call may compile."""

    def explain() -> Maps:
        return np.asarray(bound(block.images, block.targets, keys=block.keys), np.float32)

    try:
        with network.counting() as counted:
            explain()
        maps, seconds = _clocked(explain)
    except Exception:  # what it cannot do here costs nothing, and the run will say why
        return Method(name, images, 0.0, 0.0, 0.0)
    scorer = Scorer(columns(study))
    ready = scorer.prepare(maps)
    _, scoring = _clocked(lambda: scorer.columns(scorer.prepare(maps), [ready], ready))
    count = len(block)
    return Method(name, images, counted.rows / count, seconds / count, scoring / count)


def _changed(study: Study, steps: Sequence[Step], block: Scene) -> tuple[float, float]:
    """Seconds of one change of the network, the deepest one; and of its output for one image."""
    if not steps:
        return 0.0, 0.0
    deepest = max(steps, key=lambda step: step.condition.depth)

    def change() -> float:
        with deepest.condition.applied(study.network, block) as scene:
            return _clocked(lambda: study.network.outputs(scene.images))[1]

    outputs, seconds = _clocked(change)
    return seconds - outputs, outputs / len(block)


def _clocked(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    made = work()
    return made, time.perf_counter() - start


def _memory() -> int:
    """Bytes this process has needed, and may yet keep, where the system tells."""
    try:
        import resource
    except ImportError:  # there is none on Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit + ROOM
