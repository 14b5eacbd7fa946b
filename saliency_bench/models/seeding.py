"""Keras as a new process has it, so that a network does not depend on what was built before it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator


@contextlib.contextmanager
def fresh_keras(seed: int) -> Iterator[None]:
    """Keras' own seeds follow from `seed`, its names count from the start; restored on leaving.

    It draws the seeds of what has none (initialisers, dropout) from Python's generator, those of
    operations without a seed from a generator of its own, and numbers the layers it has to name.
    """
    from keras.src.backend.common import global_state as state

    drawn = random.getstate()
    kept = {name: state.get_global_attribute(name) for name in _PER_PROCESS}
    random.seed(seed)
    for name in kept:
        state.set_global_attribute(name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            state.set_global_attribute(name, value)
        random.setstate(drawn)


_PER_PROCESS = ("global_seed_generator", "object_name_uids")
