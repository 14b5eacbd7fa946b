"""Finds what keeps a network from memorizing its labels, as random labels require."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

STRENGTHS = ("rate", "stddev", "drop_rate", "dropout", "recurrent_dropout")
"""Settings of layers that drop values or add noise; 0 means no effect."""

AUGMENTATION = re.compile(r"^Random[A-Z]|Augment|^AugMix|^MixUp|^CutMix")
"""Class names of layers that change images at random."""

MEMORIZED = 0.95
"""Training accuracy from which labels count as memorized."""


def of_network(model: Any) -> Iterator[str]:
    """Dropout, noise, augmentation, penalties and frozen layers, at any depth; a text for each."""
    for layer in model._flatten_layers():
        kind = type(layer).__name__
        yield from (f"{kind} {word}" for word in _strengths(layer))
        if any(AUGMENTATION.search(base.__name__) for base in type(layer).__mro__):
            yield kind
        if penalty := _describe(layer.activity_regularizer):
            yield f"{kind} activity_regularizer {penalty}"
        if layer._trainable_variables and not layer.trainable:
            yield f"{kind} frozen"
    for variable in model.trainable_variables:
        for role in ("regularizer", "constraint"):
            if rule := _describe(getattr(variable, role, None)):
                yield f"{variable.name} {role} {rule}"


def of_training(training: Any, optimizer: Any) -> Iterator[str]:
    """Weight decay, also the optimizer's own, and a stop before labels are memorized."""
    if optimizer.weight_decay:
        yield f"weight_decay {optimizer.weight_decay:g}"
    if training.stop_accuracy is not None and training.stop_accuracy < MEMORIZED:
        yield f"stop_accuracy {training.stop_accuracy:g}"


def _strengths(layer: Any) -> Iterator[str]:
    for name in STRENGTHS:
        strength = getattr(layer, name, None)
        if isinstance(strength, int | float) and strength > 0:
            yield f"{name} {strength:g}"


def _describe(rule: Any) -> str:
    """A regularizer or constraint as text, e.g. "L2 l2 0.01"; empty if None or of weight 0."""
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
    except (AttributeError, NotImplementedError):  # a function, or no configuration
        return {}
