"""Identifies architectures, so that the cache never confuses two networks."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from saliency_bench import network as networks
from saliency_bench.protocols import interrupts
from saliency_bench.storage.fingerprint import digest, source_or_code


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
    return f"{layer.__module__}.{layer.__qualname__}", source_or_code(layer)


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
