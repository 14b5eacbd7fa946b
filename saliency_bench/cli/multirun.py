"""Jobs of a sweep: each runs in a process of its own, which the launcher's worker starts.

There are two reasons. TensorFlow's number of threads cannot change in a process that has computed.
And a killed job must not kill its worker: some launchers give up all jobs when one worker dies.
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

from saliency_bench.cli.devices import one_device, visible_devices
from saliency_bench.protocols import Exit, interrupts

OmegaConf.register_new_resolver("visible_devices", visible_devices, replace=True)

Task = Callable[[DictConfig], int]

PROGRAM = "import sys; from saliency_bench.cli import multirun; sys.exit(multirun.child())"
"""Program of a job's process; it reads the job from its standard input."""

GRACE = 10.0
"""Seconds from asking a job to end until it is killed."""

_listeners: list[Callable[[JobEnd], None]] = []
"""Functions of this process to call when a job has ended in another process."""


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    A job returns it to its launcher, which sends it to the process that started the sweep and
    discards it there. So unpickling it calls the listeners of that process.

    Attributes:
        status: exit status.
        line: the line to print; None if the job succeeded.
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
    """Inside the block call `tell` for every job that has ended in another process."""
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
        path: its `sys.path`.
        pid: its process number.
        host: name of its machine.
    """

    arguments: list[str] = field(default_factory=lambda: list(sys.argv))
    path: list[str] = field(default_factory=lambda: list(sys.path))
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)

    def resume_hint(self, folder: str = "FOLDER") -> str:
        """How to resume an interrupted sweep whose run folder is `folder`."""
        named = any(argument.startswith("run_dir=") for argument in self.arguments)
        where = "" if named else f" with run_dir={folder}"
        return f"the same command{where} computes what is missing"

    def is_gone(self) -> bool:
        """Whether the process has ended, so that its jobs should end; False if unknown."""
        # Jobs in a queue outlive the process that submitted them; ray ends its workers itself.
        if _launcher() not in {"JoblibLauncher", "LocalLauncher"}:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return socket.gethostname() == self.host
        return False


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Raise `Terminated` on a SIGTERM also under ray, whose own handler raises `SystemExit`."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        if signal.getsignal(signal.SIGTERM) is before:
            raise
        raise interrupts.Terminated from None


def has_own_process() -> bool:
    """Whether this job needs a process of its own: Hydra's basic launcher has no workers."""
    return HydraConfig.get().mode == RunMode.MULTIRUN and _launcher() != "BasicLauncher"


def is_lost_worker(error: Exception) -> bool:
    """Whether a launcher raised the error because one of its workers died, not a job."""
    return type(error).__module__.partition(".")[0] in {"joblib", "ray", "submitit"}


def _launcher() -> str:
    return str(HydraConfig.get().launcher["_target_"]).rpartition(".")[2]


def run(task: Task, config: DictConfig, owner: SweepOwner) -> JobEnd:
    """Run a job in a process of its own, which ends with this process.

    Args:
        task: runs the job; returns its exit status.
        config: the job's configuration.
        owner: the process that started the sweep.
    """
    with one_device(HydraConfig.get().job.num) as device:
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            cwd=_folder(),
            env={**os.environ, **_environment(), **device},
            # Ctrl-C goes to the sweep's owner alone, which prints once how to resume.
            start_new_session=True,
        )
        try:
            _send(child.stdin, _parcel(task, config, owner))
            return _job_end(_wait(child, owner), owner)
        finally:
            _stop(child)


def child() -> int:
    """Read a job from standard input and run it; return its exit status."""
    sys.path += [place for place in pickle.load(sys.stdin.buffer) if place not in sys.path]
    task, config, state, sys.argv = pickle.load(sys.stdin.buffer)
    Singleton.set_state(state)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with interrupts.raised():
            status: int = task(config)
            return status
    except KeyboardInterrupt as stop:
        return interrupts.status_of(stop)


def _parcel(task: Task, config: DictConfig, owner: SweepOwner) -> bytes:
    # Hydra loads its plugins' classes twice; only cloudpickle can pickle them.
    job: bytes = cloudpickle.dumps((task, config, Singleton.get_state(), owner.arguments))
    # The module path comes first: the job's objects need their modules.
    return pickle.dumps(owner.path) + job


def _send(line: IO[bytes] | None, parcel: bytes) -> None:
    """Write to a process; its standard input stays open as a sign that this process is alive."""
    if line is not None:
        with suppress(BrokenPipeError):  # it has already died; its exit code says why
            line.write(parcel)
            line.flush()


def _end_with_parent() -> None:
    """Terminate this process when its parent dies, which closes its standard input."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


def _folder() -> str | None:
    """The folder where the sweep was started, if it exists on this machine."""
    runtime = HydraConfig.get()
    stay = runtime.job.chdir or not Path(runtime.runtime.cwd).is_dir()
    return None if stay else str(runtime.runtime.cwd)


def _environment() -> dict[str, str]:
    """Variables by which TensorFlow leaves room for other jobs; existing values are kept."""
    defaults = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TTY_COMPATIBLE": "0"}
    # Launchers set it to divide the cores, but TensorFlow does not read it.
    if "OMP_NUM_THREADS" in os.environ:
        defaults["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"]
    return {name: os.environ.get(name, value) for name, value in defaults.items()}


def _wait(child: subprocess.Popen[bytes], owner: SweepOwner) -> int:
    """Wait for a process and return its exit code; stop it if the sweep's owner is gone."""
    while not owner.is_gone():
        with suppress(subprocess.TimeoutExpired):
            return child.wait(timeout=1)
    _stop(child)
    os._exit(Exit.FAILED)  # no process is left to return to


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
    """The `JobEnd` that follows from the exit code of a job's process."""
    settings = HydraConfig.get()
    swept = [o for o in settings.overrides.task if o not in owner.arguments]
    job = f"job {settings.job.num} ({', '.join(swept)})"
    number = -code if code < 0 else code - 128
    if number > 0:
        way_on = owner.resume_hint(settings.sweep.dir)
        return JobEnd(Exit.FAILED, f"{job} died of signal {number}; {way_on}")
    return JobEnd(code, f"{job} ended with exit status {code}" if code else None)
