"""Blocks inside a training that leave it undisturbed: it continues as if they had not run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
from tensorflow.python.eager import context as eager


class Snapshot:
    """A copy of the values of variables."""

    def __init__(self, variables: Sequence[Any]) -> None:
        self._variables = list(variables)
        self._values = [variable.numpy().copy() for variable in self._variables]

    def restore(self) -> list[Any]:
        """Restore the values bit for bit; return the variables that had changed."""
        changed = []
        for variable, value in zip(self._variables, self._values, strict=True):
            if variable.numpy().tobytes() != value.tobytes():
                variable.value.assign(value)
                changed.append(variable)
        return changed


@contextmanager
def same_randomness() -> Iterator[None]:
    """A block that does not advance the random streams of Python, NumPy, Keras and TensorFlow."""
    with ExitStack() as undo:
        undo.callback(random.setstate, random.getstate())
        undo.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        _keep_keras_stream(undo)
        _keep_tensorflow_stream(undo)
        yield


def _keep_keras_stream(undo: ExitStack) -> None:
    """Restore Keras's stream, which is made at its first use and again after a new seed."""
    stream = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    if stream is not None:
        undo.callback(stream.state.assign, stream.state.numpy().copy())
    undo.callback(global_state.set_global_attribute, GLOBAL_SEED_GENERATOR, stream)


def _keep_tensorflow_stream(undo: ExitStack) -> None:
    """Use another stream inside: a kernel that ran once would not restart the present one."""
    context = eager.context()
    undo.callback(setattr, context, "_seed", context._seed)
    # Without a global seed there is no stream: each operation seeds itself.
    if context._seed is not None:
        undo.callback(setattr, context, "_rng", context._rng)
        context._rng = random.Random(f"saliency_bench {context._seed}")


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """A block after which the training of `model` continues as if it had not run."""
    snapshot = Snapshot(_state(model))
    try:
        with same_randomness():
            yield
    finally:
        snapshot.restore()


def _state(model: Any) -> list[Any]:
    """Weights, statistics and states of random layers, and those of optimizer and metrics."""
    optimizer = getattr(model, "optimizer", None)
    slots = [] if optimizer is None else optimizer.variables
    return [*model.variables, *slots, *model.metrics_variables]
