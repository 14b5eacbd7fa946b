"""Resets Keras's state, so that a network does not depend on networks built before it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator


@contextlib.contextmanager
def fresh_keras(seed: int) -> Iterator[None]:
    """Inside the block Keras's own seeds follow from `seed` and its layer names start again.

    Keras draws the seeds of initialisers and dropout layers from Python's generator, and those of
    other operations from a generator of its own; it numbers unnamed layers. All three states are
    restored at the end.
    """
    from keras.src.backend.common import global_state as state

    python_state = random.getstate()
    keras_state = {name: state.get_global_attribute(name) for name in _PER_PROCESS}
    random.seed(seed)
    for name in keras_state:
        state.set_global_attribute(name, None)
    try:
        yield
    finally:
        for name, value in keras_state.items():
            state.set_global_attribute(name, value)
        random.setstate(python_state)


_PER_PROCESS = ("global_seed_generator", "object_name_uids")
