"""Jobs of a sweep, each in a process of its own, whatever launcher's worker starts it.

TensorFlow's threads cannot be set anew in a worker that had another job before, and a job that is
killed must not take its worker along: some launchers give up all jobs when one worker dies.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import cloudpickle
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from saliency_bench.cli import process
from saliency_bench.cli.devices import one_device, visible_devices

OmegaConf.register_new_resolver("visible_devices", visible_devices, replace=True)

Task = Callable[[DictConfig], int]

PROGRAM = "import sys; from saliency_bench.cli import multirun; sys.exit(multirun.child())"
"""What the process of a job runs; the job itself comes through its standard input."""

GRACE = 10.0
"""Seconds that a job has to end by itself before it is killed."""

DIED = 1
"""Exit status of a job that was killed."""

_listeners: list[Callable[[JobEnd], None]] = []
"""Who in this process is told of jobs that end in others."""


@dataclass(frozen=True)
class JobEnd:
    """How a job end.

    A job returns it to its launcher, which brings it back but tells nobody; so it tells by itself
    who listens where it arrives.

    Attributes:
        status: exit status.
        line: what is to be said of it; None if all is well.
    """

    status: int
    line: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _receive, (self.status, self.line)


def _receive(status: int, line: str | None) -> JobEnd:
    end = JobEnd(status, line)
    for tell in _listeners:
        tell(end)
    return end


@contextmanager
def listen(tell: Callable[[JobEnd], None]) -> Iterator[None]:
    """`tell` is told of every job that ended in another process, as soon as that is known here."""
    _listeners.append(tell)
    try:
        yield
    finally:
        _listeners.remove(tell)


@dataclass(frozen=True)
class SweepOwner:
    """The process that started a sweep.

    Attributes:
        arguments: its command line.
        path: where it finds modules.
        pid: its number.
        host: the machine it runs on.
    """

    arguments: list[str] = field(default_factory=lambda: list(sys.argv))
    path: list[str] = field(default_factory=lambda: list(sys.path))
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)

    def resume_hint(self, folder: str = "FOLDER") -> str:
        """How to go on after an interruption of the sweep that wrote to `folder`."""
        named = any(argument.startswith("run_dir=") for argument in self.arguments)
        where = "" if named else f" with run_dir={folder}"
        return f"the same command{where} does what is missing"

    def is_gone(self) -> bool:
        """Whether it has ended and its jobs should; false if that cannot be known."""
        # A queue's jobs outlive who submitted them, and ray ends its workers itself.
        if _launcher() not in {"JoblibLauncher", "LocalLauncher"}:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return socket.gethostname() == self.host
        return False


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """A SIGTERM ends a sweep as it would without ray, which handles it by an exit of its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        if signal.getsignal(signal.SIGTERM) is before:
            raise
        raise process.Terminated from None


def has_own_process() -> bool:
    """Whether this is a job of a sweep by a launcher with workers, which Hydra's own lacks."""
    return HydraConfig.get().mode == RunMode.MULTIRUN and _launcher() != "BasicLauncher"


def is_lost_worker(error: Exception) -> bool:
    """Whether a launcher raised this because a worker of its own died, not a job."""
    return type(error).__module__.partition(".")[0] in {"joblib", "ray", "submitit"}


def _launcher() -> str:
    return str(HydraConfig.get().launcher["_target_"]).rpartition(".")[2]


def run(task: Task, config: DictConfig, owner: SweepOwner) -> JobEnd:
    """Do a job in a process of its own, which does not outlive this one."""
    with one_device(HydraConfig.get().job.num) as device:
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            cwd=_folder(),
            env={**os.environ, **_environment(), **device},
            # Ctrl-C is for who started the sweep, who says once how to go on.
            start_new_session=True,
        )
        try:
            _send(child.stdin, _parcel(task, config, owner))
            return _job_end(_wait(child, owner), owner)
        finally:
            _stop(child)


def child() -> int:
    """The process of one job: read what it is, do it; returns the exit status."""
    sys.path += [place for place in pickle.load(sys.stdin.buffer) if place not in sys.path]
    task, config, state, sys.argv = pickle.load(sys.stdin.buffer)
    Singleton.set_state(state)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with process.terminable():
            status: int = task(config)
            return status
    except KeyboardInterrupt as stop:
        return 128 + (signal.SIGTERM if isinstance(stop, process.Terminated) else signal.SIGINT)


def _parcel(task: Task, config: DictConfig, owner: SweepOwner) -> bytes:
    # Hydra loads its plugins' classes twice, which only cloudpickle bears.
    job: bytes = cloudpickle.dumps((task, config, Singleton.get_state(), owner.arguments))
    # Modules must be found before what they define can be read.
    return pickle.dumps(owner.path) + job


def _send(line: IO[bytes] | None, parcel: bytes) -> None:
    """Write to a process whose standard input stays open, which tells it that this one lives."""
    if line is not None:
        with suppress(BrokenPipeError):  # it has died already, its exit code says of what
            line.write(parcel)
            line.flush()


def _end_with_parent() -> None:
    """Terminate this process once nobody holds the other end of its standard input."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


def _folder() -> str | None:
    """Where the sweep was started, if that folder is known on this machine."""
    runtime = HydraConfig.get()
    here = runtime.job.chdir or not Path(runtime.runtime.cwd).is_dir()
    return None if here else str(runtime.runtime.cwd)


def _environment() -> dict[str, str]:
    """What TensorFlow must know to leave room for its neighbours; what is set already counts."""
    usual = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TTY_COMPATIBLE": "0"}
    # Launchers divide the cores by it, but TensorFlow does not read it.
    if "OMP_NUM_THREADS" in os.environ:
        usual["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"]
    return {name: os.environ.get(name, value) for name, value in usual.items()}


def _wait(child: subprocess.Popen[bytes], owner: SweepOwner) -> int:
    """The exit code of a process, which is stopped if the sweep is."""
    while not owner.is_gone():
        with suppress(subprocess.TimeoutExpired):
            return child.wait(timeout=1)
    _stop(child)
    os._exit(DIED)  # there is nobody to return to


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _job_end(code: int, owner: SweepOwner) -> JobEnd:
    """How a job ended, by the exit code of its process."""
    settings = HydraConfig.get()
    swept = [o for o in settings.overrides.task if o not in owner.arguments]
    job = f"job {settings.job.num} ({', '.join(swept)})"
    number = -code if code < 0 else code - 128
    if number > 0:
        way_on = owner.resume_hint(settings.sweep.dir)
        return JobEnd(DIED, f"{job} died of signal {number}; {way_on}")
    return JobEnd(code, f"{job} ended with exit status {code}" if code else None)
