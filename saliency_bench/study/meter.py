"""Says early in a run what it takes: evaluations, time, and the setting that makes it shorter."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock

from saliency_bench import network
from saliency_bench.engine.plan import Step
from saliency_bench.protocols import Bound, Floats, Ints, Progress, RegionExplainer, Study, duration
from saliency_bench.study.estimate import images_explained, names_of

MOST_OF = 0.5
"""Share of the evaluations from which an explainer is named."""

SHORT = 30
"""Seconds of a run that is over before its cost matters."""

ENOUGH_DRAWS = 3
"""Fewest redraws for a verdict."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """One call of an explainer, for one of its images.

    Attributes:
        rows: evaluations of the network, including those that fill up a batch.
        seconds: that it took.
    """

    rows: float
    seconds: float


class Meter:
    """A progress that watches the explainers of a run, and tells one line on what the run takes.

    The first call of an explainer may compile and is not counted; as soon as each was called
    twice, the line is told, to the progress that this one hands everything on to and to the log.
    Calls may run side by side: what they took together is set against the clock.

    Args:
        progress: what is informed.
        study: what is run.
        steps: of its plan.
        workers: how many processes share the work.
    """

    def __init__(
        self, progress: Progress, study: Study, steps: Sequence[Step], *, workers: int = 1
    ) -> None:
        self._progress = progress
        self._study = study
        self._steps = steps
        self._workers = workers
        self._images: dict[str, int] = {}
        self._cells = 0
        self._missing = 1.0
        self._first: dict[str, Call] = {}
        self._calls: dict[str, Call] = {}
        self._warm = self._busy = 0.0
        self._told = False
        self._lock = Lock()

    def watch(self, bound: Mapping[str, Bound]) -> dict[str, Bound]:
        """The same explainers, whose calls are counted and timed."""
        study, known = self._study, self._study.calls()
        names = {check: names_of(study, check, bound) for check in study.checks}
        self._cells = sum(len(names[step.check]) for step in self._steps)
        counted = images_explained(study, {step: names[step.check] for step in self._steps})
        # A control of regions has none, and a check that does not apply makes no calls.
        called = [n for n in bound if counted[n] and not isinstance(known[n], RegionExplainer)]
        self._images = {name: counted[name] for name in called}
        return {name: partial(self._call, name, own) for name, own in bound.items()}

    def start(self, total: int, *, at_most: bool = False) -> None:
        """The run has `total` steps, of which others may be done already."""
        self._missing = total / max(1, self._cells)
        self._progress.start(total, at_most=at_most)

    def step(self, what: str, kind: str = "") -> None:
        """One step begins."""
        self._progress.step(what, kind)

    def skip(self, count: int) -> None:
        """Another process has done some steps."""
        self._progress.skip(count)

    def done(self) -> None:
        """The run has no further steps."""
        self._progress.done()

    def tell(self, line: str) -> None:
        """A line that stays visible."""
        self._progress.tell(line)

    def _call(
        self, name: str, bound: Bound, images: Floats, targets: Ints, *, keys: Ints | None = None
    ) -> Floats:
        """Call an explainer; one that fails is watched no longer."""
        start, maps = time.perf_counter(), None
        with network.counting() as counted:
            try:
                maps = bound(images, targets, keys=keys)
            finally:
                seconds = time.perf_counter() - start
                with self._lock:
                    if maps is None:
                        self._images.pop(name, None)
                    else:
                        call = Call(counted.rows / len(images), seconds / len(images))
                        self._note(name, call, seconds)
        return maps

    def _note(self, name: str, call: Call, seconds: float) -> None:
        if self._told or name not in self._images:
            return
        if name not in self._first:
            self._first[name] = call
            self._warm = time.perf_counter()
            self._busy = 0.0
            return
        self._busy += seconds
        self._calls.setdefault(name, call)
        if self._calls.keys() >= self._images.keys():
            self._told = True
            self._announce(time.perf_counter() - self._warm)

    def _announce(self, elapsed: float) -> None:
        """Tell what the whole run takes, in one line, unless it is soon over.

        Args:
            elapsed: seconds in which the calls that are counted ran.
        """
        rows = {n: self._images[n] * call.rows * self._missing for n, call in self._calls.items()}
        alone = sum(self._images[n] * call.seconds for n, call in self._calls.items())
        seconds = alone * self._missing * elapsed / max(self._busy, 1e-9) / self._workers
        if seconds < SHORT:
            return
        total, most = sum(rows.values()), max(rows, key=lambda name: rows[name])
        parts = [
            f"this run takes about {total:,.0f} evaluations of the network and "
            f"{duration(seconds)}, compilation apart",
            shorter(self._study, self._steps),
        ]
        if MOST_OF * total < rows[most] < total:
            parts.append(f"{rows[most] / total:.0%} of them are for {most}")
        line = "; ".join(filter(None, parts))
        self._progress.tell(line)
        _LOG.info(line)


def shorter(study: Study, steps: Sequence[Step]) -> str:
    """The setting that makes a run shorter, about half as long, in words; empty if there is none.

    If images are filled up to a batch, fewer of them would not take less.

    Args:
        study: what is run.
        steps: of its plan.
    """
    images = len(study.scene)
    if images > study.batch_size or not study.full:
        return f"n_images={images // 2} halves that"
    # Trained networks are counted as draws, but are no redraws.
    kept = [s for s in steps if study.checks[s.check].trains or s.condition.draw < ENOUGH_DRAWS]
    if len(kept) < len(steps):
        return f"draws={ENOUGH_DRAWS} takes {len(kept) / len(steps):.0%} of that"
    return ""
