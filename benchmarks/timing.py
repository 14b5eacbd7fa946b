"""Time and memory: two pieces of work in turn in one process, or a process and all it started."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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

    def scaled(self, factor: float) -> Ratio:
        """The same against a limit of `1 / factor` times the work."""
        return Ratio(self.wall * factor, self.cpu * factor, self.seconds)


@dataclass(frozen=True)
class Cost:
    """What a process took, with those that it started and waited for.

    Attributes:
        wall: elapsed seconds.
        cpu: seconds on all cores.
        peak: most memory that one of them held, MiB.
        output: what it printed.
    """

    wall: float
    cpu: float
    peak: float
    output: str = ""


def alternate(
    work: Callable[[], object],
    limit: Callable[[], object],
    *,
    runs: int = 7,
    seconds: float = 0.0,
) -> Ratio:
    """`work` over `limit`, each run once before `runs` counted pairs, or more in `seconds`."""
    work(), limit()
    pairs: list[tuple[tuple[float, float], tuple[float, float]]] = []
    began = time.perf_counter()
    while len(pairs) < runs or time.perf_counter() < began + seconds:
        pairs.append((timed(work), timed(limit)))
    return ratio(pairs)


def ratio(pairs: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> Ratio:
    """Of pairs of (wall, CPU) seconds."""
    return Ratio(
        wall=median(ours[0] / theirs[0] for ours, theirs in pairs),
        cpu=median(ours[1] / theirs[1] for ours, theirs in pairs),
        seconds=median(ours[0] for ours, _ in pairs),
    )


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def cost(
    command: Sequence[str], *, folder: Path | None = None, env: Mapping[str, str] | None = None
) -> Cost:
    """Run a command in `folder`.

    Call it from a small process: the kernel counts what a new process shares with the one that
    starts it, so its peak is never below that one's memory.

    Raises:
        RuntimeError: if it fails, with the end of what it printed.
    """
    with tempfile.TemporaryFile("w+") as out:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(env or {})}, stdout=out, stderr=out
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read()
    if child.returncode:
        raise RuntimeError(f"{command} ended with {child.returncode}: {output[-2000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)
