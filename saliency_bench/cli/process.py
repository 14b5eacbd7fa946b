"""Environment variables and TensorFlow's start-up: settings of the whole process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from saliency_bench.protocols.processes import quiet


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Inside the block an environment variable has this value."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def start_tensorflow(*, threads: int, cores: int = 1, deterministic: bool) -> None:
    """Import TensorFlow and set what must be set before it computes.

    Args:
        threads: compute threads of an operation; 0: TensorFlow chooses.
        cores: calls at once.
        deterministic: whether reruns on a GPU must give the same bits, too.

    Raises:
        ValueError: if TensorFlow has already computed with another number of threads.
    """
    with quiet():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        # No sum depends on the second: each operation adds up within its compute threads.
        tf.config.threading.set_inter_op_parallelism_threads(threads and max(2, threads, cores))
    except RuntimeError:
        used = tf.config.threading.get_intra_op_parallelism_threads()
        raise ValueError(
            f"threads must stay {used} in a process that computed with them; got {threads}"
        ) from None
    if deterministic and gpus:
        tf.config.experimental.enable_op_determinism()
