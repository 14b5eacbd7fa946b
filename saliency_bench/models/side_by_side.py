"""Trainings in processes of their own, side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from typing import Any

from joblib.externals.loky import get_reusable_executor

from saliency_bench.protocols import Progress
from saliency_bench.protocols.processes import deaf_to_ctrl_c, end_with, quiet

START = 10.0
"""Seconds that a process takes until it trains: TensorFlow starts, the network is compiled."""


def shares_a_device() -> bool:
    """Whether trainings would share one accelerator, which they would only slow down."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def is_faster(networks: int, seconds: float, processes: int) -> bool:
    """Whether several processes train some networks sooner than this one would.

    Args:
        networks: how many.
        seconds: that one of them takes.
        processes: how many may run.
    """
    rounds = math.ceil(networks / max(1, processes))
    return rounds * seconds + START < networks * seconds


def run(work: Sequence[Callable[[], Any]], processes: int, progress: Progress) -> None:
    """Train networks in processes with the compute threads of this one, which gives its bits.

    Args:
        work: trains one network each; it and what it refers to are copied into a process.
        processes: most that run.
        progress: is informed of each network.

    Raises:
        Exception: what a training raises.
    """
    executor = get_reusable_executor(
        max_workers=min(processes, len(work)), reuse=False, timeout=None,
        initializer=_begin, initargs=(os.getpid(), *_threads()),
    )  # fmt: skip
    progress.start(len(work))
    try:
        with deaf_to_ctrl_c():
            begun = [executor.submit(_done, piece) for piece in work]
        for count, piece in enumerate(as_completed(begun), start=1):
            piece.result()
            progress.step(f"{len(work)} networks side by side: {count} trained")
    finally:
        executor.shutdown(wait=True, kill_workers=True)
        progress.done()


def _done(piece: Callable[[], Any]) -> None:
    """Do a piece of work, and bring nothing back."""
    piece()


def _threads() -> tuple[int, int]:
    import tensorflow as tf

    threading = tf.config.threading
    return (
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )


def _begin(parent: int, within: int, across: int) -> None:
    """Set up a process: it ends with its parent, and computes with as many threads."""
    end_with(parent)
    with quiet():
        import tensorflow as tf

        tf.config.list_physical_devices()
    threading: Any = tf.config.threading
    threading.set_intra_op_parallelism_threads(within)
    threading.set_inter_op_parallelism_threads(across)
