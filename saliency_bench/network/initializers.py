"""Initializers of variables that only the code of a layer knows, such as a LayerScale's gain."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import keras
from keras.src.backend.common import global_state

from saliency_bench.protocols import interrupts

_KNOWN: WeakKeyDictionary[Any, dict[int, Any]] = WeakKeyDictionary()
_LOCK = Lock()

_ADDED = frozenset({"dtype", "name", "trainable"})
"""What Keras adds to the configuration of every layer and model."""


def made_with(layer: Any, variable: Any) -> Any:
    """The initializer that made a variable of a layer's own; None if the layer does not tell it.

    The layer is made once more from its configuration, beside the model, and its requests for
    weights are read; models that it holds are made with it, and freed. It does not tell if it asks
    for no initializer, or has no configuration.

    Args:
        layer: a built Keras layer.
        variable: one of its own variables.
    """
    with _LOCK:
        if layer not in _KNOWN:
            _KNOWN[layer] = _read(layer)
    return _KNOWN[layer].get(id(variable))


def _read(layer: Any) -> dict[int, Any]:
    try:
        with _aside():
            twin, requested = _twin(layer)
    except Exception:  # a user's layer may raise anything when it is made again
        interrupts.ask()
        return {}
    pairs = [*zip(layer._trainable_variables, twin._trainable_variables, strict=False)]
    pairs += zip(layer._non_trainable_variables, twin._non_trainable_variables, strict=False)
    return {
        id(own): requested[id(other)]
        for own, other in pairs
        if own.shape == other.shape and id(other) in requested
    }


def _twin(layer: Any) -> tuple[Any, dict[int, Any]]:
    """A layer of the same configuration, and the initializers that it asked for by variable."""
    requested: dict[int, Any] = {}

    class Twin(type(layer)):  # type: ignore[misc]
        def add_weight(
            self, shape: Any = None, initializer: Any = None, *rest: Any, **how: Any
        ) -> Any:
            variable = super().add_weight(shape, "zeros", *rest, **how)
            requested[id(variable)] = keras.initializers.get(initializer)
            return variable

    twin = Twin.from_config(_taken(type(layer), {**layer.get_config(), "trainable": True}))
    shapes = layer.get_build_config()
    if shapes and not twin.built:
        twin.build_from_config(shapes)
    return twin, requested


def _taken(kind: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration, without what Keras adds to it where the class does not take that."""
    taken = inspect.signature(kind.__init__).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return dict(config)
    return {k: value for k, value in config.items() if k in taken or k not in _ADDED}


@contextmanager
def _aside() -> Iterator[None]:
    """A block that leaves Python's random state and Keras's names of unnamed layers alone."""
    state, names = random.getstate(), global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", None)
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", names)
        random.setstate(state)
