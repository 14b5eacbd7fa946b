"""Settings of a model's layers, which decide what it computes: a change is found and undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

OF_TRAINING = {
    "loss", "predict_function", "stop_evaluating", "stop_predicting", "stop_training",
    "test_function", "train_function",
}  # fmt: skip
"""Attributes that `compile`, `fit` and `predict` set; they do not change what a model computes."""


class LayerSettings:
    """The settings of all layers of a model, as they are when this object is made.

    A setting is whether a layer or a variable is trainable, and each public attribute that is a
    function, a float, a text or a tuple of integers. Other attributes may be notes of a layer's own
    code, such as a count of its calls.

    Args:
        model: any built Keras model.
    """

    def __init__(self, model: Any) -> None:
        layers = model._flatten_layers()  # each before its inner ones
        self._layers = [(own, own.trainable, _settings(own), len(vars(own))) for own in layers]
        self._variables = [(variable, variable.trainable) for variable in model.variables]

    def put_back(self) -> list[str]:
        """Undo all changes; returns their names, e.g. "dense.activation"."""
        changed = [
            f"{layer.name}.{name}"
            for layer, _, settings, size in self._layers
            for name in _put_attributes_back(layer, settings, size)
        ]
        layers = [(layer, trainable) for layer, trainable, *_ in self._layers]
        switched = [f"{own.name}.trainable" for own, was in layers if own.trainable != was]
        if not switched:
            switched = [f"{v.path}.trainable" for v, was in self._variables if v.trainable != was]
        if switched:
            # A layer switches its inner layers and its variables too, so these come later.
            for part, trainable in layers + self._variables:
                part.trainable = trainable
        return changed + switched


def _put_attributes_back(layer: Any, settings: dict[str, Any], size: int) -> Iterator[str]:
    """Undo changes of settings; `size` is the number of all attributes that the layer had."""
    attributes = vars(layer)
    for name, value in settings.items():
        now = attributes.get(name)
        if now is not value and not (type(now) is type(value) and _is_plain(now) and now == value):
            attributes[name] = value
            yield name
    added = _settings(layer).keys() - settings.keys() if len(attributes) != size else set()
    for name in (own for own in added if _hides_method(layer, own)):
        del attributes[name]
        yield name


def _settings(layer: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(layer).items()
        if name[0] != "_" and name not in OF_TRAINING and (callable(value) or _is_plain(value))
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(part, int) for part in value)
    return isinstance(value, float | str)


def _hides_method(layer: Any, name: str) -> bool:
    """Whether an attribute of the layer is a function in place of a method of its class."""
    return callable(vars(layer)[name]) and callable(getattr(type(layer), name, None))
