"""What an accelerator brings, in one run of a few minutes: `make bench-gpu`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf

from benchmarks import cascade, commands, explainers
from benchmarks.networks import NETWORKS, data, evaluated, gradient_limit
from benchmarks.parts import Row
from benchmarks.timing import timed

TITLE = "On an accelerator"
ABOUT = """The default run with its training; the cascade and methods over their limits, as above;
the compiled gradient with XLA, and with deterministic operations, over the plain one. Each row
names the device."""
PACKAGES = ("tensorflow", "keras", "numpy")

METHODS = ("integrated gradients, 50 steps", "SmoothGrad, 50 samples", "RISE, 512 masks")


def rows(quick: bool) -> Iterator[Row]:
    """What was measured.

    Raises:
        RuntimeError: if TensorFlow finds no GPU.
    """
    found = tf.config.list_physical_devices("GPU")
    if not found:
        raise RuntimeError("TensorFlow must find a GPU; it finds none")
    card = tf.config.experimental.get_device_details(found[0]).get("device_name", "unknown")
    for row in _rows(quick):
        yield {"device": card, **row}


def _rows(quick: bool) -> Iterator[Row]:
    small = commands.SMALL if quick else ()
    for setting in ("deterministic=true", "deterministic=false"):
        with TemporaryDirectory() as name:
            run = commands.run(Path(name), "+experiment=param_randomization", setting, *small)
        yield {"what": f"default run, {setting}", "seconds": run.wall, "cpu seconds": run.cpu}
    for row in cascade.rows(quick):
        yield {"what": f"cascade, {row['network']}", "seconds": row["seconds"], "over": row["wall"]}
    for row in explainers.rows(quick, METHODS):
        yield {"what": f"{row['method']}, {row['network']}", "over": row["wall"]}
    runs = 5 if quick else 15
    gradients = {name: _Gradient(build()) for name, build in NETWORKS.items()}
    plain = {name: own.seconds(runs) for name, own in gradients.items()}
    for name, own in gradients.items():
        yield _over(f"gradient with XLA, {name}", own.seconds(runs, xla=True), plain[name])
    tf.config.experimental.enable_op_determinism()  # from here to the end of the process
    for name, own in gradients.items():
        yield _over(f"deterministic gradient, {name}", own.seconds(runs), plain[name])


class _Gradient:
    """A compiled gradient of a network."""

    def __init__(self, model: Any) -> None:
        self._inputs = data(model, explainers.BATCH)
        self._limit = gradient_limit(model)

    def seconds(self, runs: int, *, xla: bool = False) -> float:
        """Median seconds of a batch."""
        function = tf.function(self._limit.python_function, jit_compile=xla)
        work = evaluated(function, *self._inputs, explainers.BATCH)
        work()
        return median(timed(work)[0] for _ in range(runs))


def _over(what: str, seconds: float, plain: float) -> Row:
    return {"what": what, "seconds": seconds, "over": seconds / plain}
