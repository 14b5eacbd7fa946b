"""The same network for pictures of another size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras.src.models import Functional

from saliency_bench.network.fit import misfit
from saliency_bench.network.forward import require_built
from saliency_bench.protocols import interrupts, one_line

Shape = tuple[int, ...]


def resized(model: Any, shape: Shape) -> Any:
    """The model for pictures of `shape` `(H, W, C)`: the same layers, so the same live weights.

    It is for networks whose layers take any size up to a global pooling. A model that takes the
    shape already is returned as it is. A nested model becomes a nested one of the other size.

    Args:
        model: a built Keras model: Sequential, Functional, or a class of one's own that does not
            state its input.
        shape: height, width and channels.

    Raises:
        ValueError: in one line, if a layer needs the old size; it names the layer.
    """
    require_built(model)
    other = model
    if misfit(model, shape) is not None:
        other = _Resizing(model.name, shape).of(model, shape)
    _require_same(model, other, shape)
    return other


class _Resizing:
    """Rebuilds a model and the models inside it from their own layers."""

    def __init__(self, name: str, shape: Shape) -> None:
        self._whole = f"the model {name!r} cannot take pictures of {_in_words(shape)}"
        self._made: dict[tuple[int, Shape], Any] = {}

    def of(self, model: Any, shape: Shape) -> Any:
        """A model of the same layers, whose input is of `shape`, without the batch."""
        key = id(model), shape
        if key not in self._made:
            build = next((build for kind, build in _BUILDERS if _is(model, kind)), None)
            if build is None:
                raise ValueError(
                    f"{self._whole}: {model.name!r} is a class of its own with a fixed input; "
                    "build it once more for the larger pictures, with the same weights"
                )
            self._made[key] = build(model, self._input(model, shape), self.call)
        return self._made[key]

    def call(self, layer: Any, *inputs: Any, **settings: Any) -> Any:
        """What a layer returns for inputs of another size; of a model, its resized self."""
        tensors = keras.tree.flatten(inputs)
        try:
            if not any(_is(layer, kind) for kind, _ in _BUILDERS) or len(tensors) != 1:
                return layer(*inputs, **settings)
        except Exception as error:  # a layer may refuse a size in any way
            interrupts.ask()
            reason = one_line(error, longest=100)
            raise ValueError(
                f"{self._whole}: its layer {layer.name!r} has a fixed size; networks with a global "
                f"pooling before their dense layers take any ({reason})"
            ) from error
        return self.of(layer, tuple(tensors[0].shape[1:]))(*inputs, **settings)

    def _input(self, model: Any, shape: Shape) -> Any:
        if len(model.inputs) != 1:
            raise ValueError(f"{self._whole}: {model.name!r} has {len(model.inputs)} inputs")
        own = model.inputs[0]
        return keras.Input(shape, dtype=own.dtype, name=own.name)


Call = Callable[..., Any]


def _sequential(model: Any, images: Any, call: Call) -> Any:
    hidden = images
    for layer in model.layers:
        hidden = call(layer, hidden)
    return keras.Model(images, hidden, name=model.name)


def _functional(model: Any, images: Any, call: Call) -> Any:
    # One that is not compiled: a loss of one's own cannot be cloned.
    plain = keras.Model(model.input, model.output, name=model.name)
    inputs = keras.tree.pack_sequence_as(model.input, [images])
    return keras.models.clone_model(
        plain, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call
    )


_BUILDERS = ((keras.Sequential, _sequential), (Functional, _functional))
"""The kinds of models that are rebuilt, and how."""


def _is(layer: Any, kind: type) -> bool:
    """Whether a layer is such a model, and not a class with a call of its own."""
    return isinstance(layer, kind) and type(layer).call is kind.call  # type: ignore[attr-defined]


def _require_same(model: Any, other: Any, shape: Shape) -> None:
    """Raise `ValueError` unless both have the same variables and one row of scores per picture."""
    whole = f"the model {model.name!r} cannot take pictures of {_in_words(shape)}"
    if list(map(id, model.variables)) != list(map(id, other.variables)):
        raise ValueError(f"{whole}: its layers have other variables, or in another order, then")
    try:
        rows = [len(part) for part in keras.tree.flatten(other(np.zeros((2, *shape), np.float32)))]
    except Exception as error:  # as above
        interrupts.ask()
        raise ValueError(f"{whole}: {one_line(error, longest=160)}") from error
    if set(rows) != {2}:
        raise ValueError(f"{whole}: of 2 pictures it returns {rows[0]} rows")


def _in_words(shape: Shape) -> str:
    return "x".join(map(str, shape))
