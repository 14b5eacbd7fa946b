"""The NumPy study in processes that start at once and may be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from helpers import numpy_study
from saliency_bench.engine import plan, references
from saliency_bench.engine.spill import Shelf
from saliency_bench.storage.store import Store

# A server that has imported what takes long forks itself. It looks for no helper of ours.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [f"saliency_bench.{name}" for name in (
        "engine.loop", "inference", "results.tables", "similarities.ssim", "similarities.spearman")]
)  # fmt: skip


def study() -> Any:
    """Many small cells."""
    return numpy_study.study(checks={"cascade": numpy_study.Cascade(draws=3)})


def nothing() -> None:
    """The usual fate."""


def start(
    folder: Path, log: Path | None = None, fate: Callable[[], None] = nothing
) -> multiprocessing.process.BaseProcess:
    """A process that has begun to run the study in a folder.

    Args:
        folder: of the run.
        log: a folder where it leaves a file with the key of every cell it saves.
        fate: is called in it before it begins.
    """
    begun = _CONTEXT.Event()
    process = _CONTEXT.Process(target=_run, args=(folder, log, fate, begun))
    process.start()
    begun.wait()
    return process


def run(folder: Path, log: Path | None = None) -> None:
    """The same, to its end."""
    process = start(folder, log)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"exit status {process.exitcode}")


def saved(log: Path) -> list[str]:
    """Keys of the cells that were saved, process after process."""
    return [key for path in sorted(log.iterdir()) for key in path.read_text().split()]


def dies_writing(count: int, moment: str, scratch: Path | None = None) -> Callable[[], None]:
    """The fate of a process that is killed while it writes file number `count`.

    Args:
        count: of the file, from 0.
        moment: "torn": half of it is written; "unnamed": it has not got its name; "named": it has.
        scratch: a folder in which lies what would otherwise be kept in memory.
    """
    return partial(_die_writing, count, moment, scratch)


def dies_after(count: int, seconds: float) -> Callable[[], None]:
    """The fate of a process that is killed a moment after it has saved so many cells.

    Args:
        count: of the cells.
        seconds: of the moment; the process goes on meanwhile.
    """
    return partial(_die_after, count, seconds)


def _die_after(count: int, seconds: float) -> None:
    save, done = Store.save_cell, []

    def saved(self: Store, key: str, arrays: Any) -> None:
        save(self, key, arrays)
        done.append(key)
        if len(done) == count:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

    Store.save_cell = saved  # type: ignore[method-assign]


def _die_writing(count: int, moment: str, scratch: Path | None) -> None:
    if scratch is not None:
        tempfile.tempdir = str(scratch)
        references.Shelf = partial(Shelf, room=0)  # type: ignore[assignment, misc]
    flush, name, named = os.fsync, os.replace, []

    def flushed(handle: int) -> None:
        if moment == "torn" and len(named) == count:
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        flush(handle)

    def replaced(*paths: Any) -> None:
        if moment == "unnamed" and len(named) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        name(*paths)
        named.append(paths)
        if moment == "named" and len(named) == count + 1:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync, os.replace = flushed, replaced  # type: ignore[assignment]


def _run(folder: Path, log: Path | None, fate: Callable[[], None], begun: Event) -> None:
    plan.SHARD = 32
    fate()
    begun.set()
    if log is not None:
        _tell(log / str(os.getpid()))
    numpy_study.run(study(), folder)


def _tell(path: Path) -> None:
    save = Store.save_cell

    def telling(self: Store, key: str, arrays: Any) -> None:
        save(self, key, arrays)
        with path.open("a") as file:
            print(key, file=file)

    Store.save_cell = telling  # type: ignore[method-assign]
