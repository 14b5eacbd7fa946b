"""Identifies architectures, so that the cache never confuses two networks."""

from __future__ import annotations

import functools
import inspect
import json
import secrets
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from saliency_bench import network as networks
from saliency_bench.protocols import interrupts
from saliency_bench.storage.fingerprint import DIGEST, describe, digest, source_digest


def of_function(build: Callable[..., Any]) -> Iterator[str]:
    """Name and source of a function, and its bound arguments."""
    while isinstance(build, functools.partial):
        yield repr((build.args, sorted(build.keywords.items())))
        build = build.func
    named = build if inspect.isroutine(build) or inspect.isclass(build) else type(build)
    yield f"{named.__module__}.{named.__qualname__}"
    yield _source(named)


def of_network(model: Any) -> dict[str, Any]:
    """Identity of an untrained network: configuration, sources of its classes, initial weights.

    Layer names are included: under `fresh_keras` they do not depend on other networks.
    """
    classes = {type(layer) for layer in model._flatten_layers()}
    foreign = sorted(
        _name_and_source(c) for c in classes if c.__module__.partition(".")[0] != "keras"
    )
    return {
        "configuration": _configuration(model),
        "classes": foreign,
        "first_weights": networks.fingerprint(model),
    }


def of_first_weights(model: Any) -> Iterator[tuple[str, str]]:
    """Path and hash of each variable of an untrained network, except for constant ones."""
    for variable in model.variables:
        value = np.asarray(variable.numpy())
        if value.size > 1 and (value != value.flat[0]).any():
            yield variable.path, digest(value.tobytes()).hex()


def _name_and_source(layer: type) -> tuple[str, str]:
    return f"{layer.__module__}.{layer.__qualname__}", _source(layer)


def _source(thing: Any) -> str:
    """Hash of a source; without a file: of a function's code, else random."""
    known = source_digest(thing)
    if known is not None:
        return known
    return describe(thing) if inspect.isfunction(thing) else secrets.token_hex(DIGEST)


def _configuration(model: Any) -> str | None:
    """The configuration as JSON; None for a subclassed model without: its source identifies it."""
    import keras

    try:
        # Warnings tell that a configuration cannot be loaded; this one is only hashed.
        with warnings.catch_warnings(action="ignore"):
            config = keras.saving.serialize_keras_object(model)
        return json.dumps(config, sort_keys=True, default=repr)
    except Exception:  # a user's `get_config` may raise anything
        interrupts.ask()
        return None
