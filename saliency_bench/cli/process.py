"""What concerns the whole process: its signals, and how TensorFlow starts in it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end; it is left as by Ctrl-C."""


@contextmanager
def terminable() -> Iterator[None]:
    """A SIGTERM raises `Terminated`."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """An environment variable has this value."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def start_tensorflow(*, threads: int, deterministic: bool) -> None:
    """Import TensorFlow and set what must be set before it computes.

    Args:
        threads: compute threads; 0 leaves it to TensorFlow.
        deterministic: the same bits on every rerun on a GPU too.

    Raises:
        ValueError: if it computed already, with another number of threads.
    """
    with _quiet():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        # A second runner: the network's outputs are computed beside an explanation. It changes no
        # sum, as what one operation adds up stays with its compute threads.
        tf.config.threading.set_inter_op_parallelism_threads(threads and max(2, threads))
    except RuntimeError:
        used = tf.config.threading.get_intra_op_parallelism_threads()
        raise ValueError(
            f"threads must stay {used} in a process that computed with them; got {threads}"
        ) from None
    if deterministic and gpus:
        tf.config.experimental.enable_op_determinism()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what TensorFlow's libraries print while they start off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
