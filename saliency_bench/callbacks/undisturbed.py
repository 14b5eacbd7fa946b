"""Doing something in the middle of a training that goes on as if it had not been done."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
from tensorflow.python.eager import context as eager


class Held:
    """Variables as they were when this was made."""

    def __init__(self, variables: Sequence[Any]) -> None:
        self._variables = list(variables)
        self._values = [variable.numpy().copy() for variable in self._variables]

    def put_back(self) -> list[Any]:
        """Those that had been changed; they are as before, bit for bit."""
        changed = []
        for variable, value in zip(self._variables, self._values, strict=True):
            if variable.numpy().tobytes() != value.tobytes():
                variable.value.assign(value)
                changed.append(variable)
        return changed


@contextmanager
def same_randomness() -> Iterator[None]:
    """The global random streams of Python, NumPy, Keras and TensorFlow stay where they are."""
    with ExitStack() as undo:
        undo.callback(random.setstate, random.getstate())
        undo.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        _keep_keras_stream(undo)
        _keep_tensorflow_stream(undo)
        yield


def _keep_keras_stream(undo: ExitStack) -> None:
    """Keras's stream is made when it is first used, from Python's; a new seed makes a new one."""
    stream = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    if stream is not None:
        undo.callback(stream.state.assign, stream.state.numpy().copy())
    undo.callback(global_state.set_global_attribute, GLOBAL_SEED_GENERATOR, stream)


def _keep_tensorflow_stream(undo: ExitStack) -> None:
    """Another stream inside: a kernel that once ran with a seed would not begin it anew."""
    context = eager.context()
    undo.callback(setattr, context, "_seed", context._seed)
    # Without a global seed there is no stream: each operation takes entropy of its own.
    if context._seed is not None:
        undo.callback(setattr, context, "_rng", context._rng)
        context._rng = random.Random(f"saliency_bench {context._seed}")


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Whatever is done inside, the training of `model` goes on as if it had not been."""
    held = Held(_known(model))
    try:
        with same_randomness():
            yield
    finally:
        held.put_back()


def _known(model: Any) -> list[Any]:
    """Weights, statistics and dropout's states; the optimizer's state and the metrics', if any."""
    optimizer = getattr(model, "optimizer", None)
    slots = [] if optimizer is None else optimizer.variables
    return [*model.variables, *slots, *model.metrics_variables]
