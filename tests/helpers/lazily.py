"""What starts TensorFlow, imported when a test first uses it.

Tests can then be collected, and those without a network run, in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


class Lazily:
    """Stands in for a module until something public of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest asks everything in a test module for some of these
            raise AttributeError(name)
        return getattr(import_module(self._name), name)


def lazily(module: str, name: str) -> Callable[..., Any]:
    """Stands in for a class or function until it is called."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    call.__name__ = name
    return call


keras = Lazily("keras")
layers = Lazily("keras.layers")
tf = Lazily("tensorflow")
keras_models = Lazily("helpers.keras_models")
transformers = Lazily("helpers.transformers")

ExplanationCallback = lazily("saliency_bench.callbacks", "ExplanationCallback")
Sanity = lazily("saliency_bench.callbacks", "Sanity")
SanityCallback = lazily("saliency_bench.callbacks", "SanityCallback")
read = lazily("saliency_bench.callbacks.events", "read")
read_maps = lazily("saliency_bench.callbacks", "read_maps")
