"""What keeps a network from learning labels by heart, which random labels ask of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

STRENGTHS = ("rate", "stddev", "drop_rate", "dropout", "recurrent_dropout")
"""Settings of layers that drop values or add noise; none at 0."""

AUGMENTATION = re.compile(r"^Random[A-Z]|Augment|^AugMix|^MixUp|^CutMix")
"""In the name of a layer's class: it changes images at random."""

MEMORIZED = 0.95
"""Training accuracy from which on labels count as learned by heart."""


def of_network(model: Any) -> Iterator[str]:
    """Dropout, noise, augmentation, penalties and frozen layers, at any depth, in words."""
    for layer in model._flatten_layers():
        kind = type(layer).__name__
        yield from (f"{kind} {word}" for word in _strengths(layer))
        if any(AUGMENTATION.search(base.__name__) for base in type(layer).__mro__):
            yield kind
        if penalty := _described(layer.activity_regularizer):
            yield f"{kind} activity_regularizer {penalty}"
        if layer._trainable_variables and not layer.trainable:
            yield f"{kind} frozen"
    for variable in model.trainable_variables:
        for role in ("regularizer", "constraint"):
            if rule := _described(getattr(variable, role, None)):
                yield f"{variable.name} {role} {rule}"


def of_training(training: Any, optimizer: Any) -> Iterator[str]:
    """Weight decay, also that of the optimizer itself, and stopping before all is learned."""
    if optimizer.weight_decay:
        yield f"weight_decay {optimizer.weight_decay:g}"
    if training.stop_accuracy is not None and training.stop_accuracy < MEMORIZED:
        yield f"stop_accuracy {training.stop_accuracy:g}"


def _strengths(layer: Any) -> Iterator[str]:
    for name in STRENGTHS:
        strength = getattr(layer, name, None)
        if isinstance(strength, int | float) and strength > 0:
            yield f"{name} {strength:g}"


def _described(rule: Any) -> str:
    """E.g. "L2 l2 0.01"; empty for none, and for one without weight."""
    if rule is None:
        return ""
    numbers = {k: v for k, v in _settings(rule).items() if isinstance(v, int | float)}
    if numbers and not any(numbers.values()):
        return ""
    name = getattr(rule, "__name__", type(rule).__name__)
    return " ".join([name, *(f"{setting} {v:g}" for setting, v in numbers.items() if v)])


def _settings(rule: Any) -> dict[str, Any]:
    try:
        return dict(rule.get_config())
    except (AttributeError, NotImplementedError):  # a plain function, or a class that says none
        return {}
