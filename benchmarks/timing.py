"""Two pieces of work timed in turn, so that a drifting machine meets both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """How one piece of work compares with another: medians of the ratios, pair by pair.

    Attributes:
        wall: of elapsed seconds.
        cpu: of the process's seconds on all cores.
        seconds: median elapsed seconds of the first piece.
    """

    wall: float
    cpu: float
    seconds: float


def alternate(work: Callable[[], object], limit: Callable[[], object], *, runs: int = 7) -> Ratio:
    """`work` over `limit`, each run once before `runs` counted pairs."""
    work(), limit()
    pairs = [(_timed(work), _timed(limit)) for _ in range(runs)]
    return Ratio(
        wall=median(ours[0] / theirs[0] for ours, theirs in pairs),
        cpu=median(ours[1] / theirs[1] for ours, theirs in pairs),
        seconds=median(ours[0] for ours, _ in pairs),
    )


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
