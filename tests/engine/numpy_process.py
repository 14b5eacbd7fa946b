"""The NumPy study in processes that start at once and may be killed."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy_study

from saliency_bench import steps
from saliency_bench.store import Store

# A server that has imported what takes long forks itself.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["saliency_bench.tables", "saliency_bench.similarities"])


def study() -> Any:
    """Many small cells."""
    return numpy_study.study(checks={"cascade": numpy_study.Cascade(draws=3)})


def start(folder: Path, log: Path | None = None) -> multiprocessing.process.BaseProcess:
    """A process that has begun to run the study in a folder.

    Args:
        folder: of the run.
        log: a folder where it leaves a file with the key of every cell it saves.
    """
    begun = _CONTEXT.Event()
    process = _CONTEXT.Process(target=_run, args=(folder, log, begun))
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


def _run(folder: Path, log: Path | None, begun: Event) -> None:
    steps.SHARD = 32
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
