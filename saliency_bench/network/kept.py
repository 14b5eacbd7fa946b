"""What is compiled for a model is compiled once, and lives as long as the model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from saliency_bench.network.layer_settings import OF_TRAINING
from saliency_bench.network.trace import TRACING, input_shape

T = TypeVar("T")

MOST = 64
"""Most things that are kept for one model; the one that was not used for longest is dropped."""

KEPT = "_saliency_bench"
"""The attribute of a model that holds what was made for it: nothing else is freed with a model."""

_PASSING = OF_TRAINING | {"compiled", "history", "optimizer"}


def once(model: Any, key: Hashable, make: Callable[[Any], T]) -> T:
    """`make(model)`, made once for each key while the model stays as it is.

    It is made again if layers, their settings or types, or variables have been exchanged; new
    values of the weights are no change, as what is compiled reads the current ones. What is made is
    kept with the model, and is freed with it.

    Args:
        model: any built Keras model.
        key: tells apart what is made; a key that cannot be hashed is never found again.
        make: makes it; an error is not kept.
    """
    try:
        hash(key)
    except TypeError:
        return make(model)
    with TRACING:
        kept = vars(model).get(KEPT)
        if kept is None or not kept.serves(model):
            kept = vars(model)[KEPT] = _Kept()
        if key not in kept.things:
            kept.add(key, make(model), model)
        kept.things.move_to_end(key)
        return cast(T, kept.things[key])


class _Kept:
    """Things that were made for a model, and what the model was like then."""

    def __init__(self) -> None:
        self.things: OrderedDict[Hashable, Any] = OrderedDict()
        self._facts: list[Any] = []

    def add(self, key: Hashable, thing: Any, model: Any) -> None:
        self.things[key] = thing
        # After the making, which may count calls or build layers.
        self._facts = _facts(model)
        while len(self.things) > MOST:
            self.things.popitem(last=False)

    def serves(self, model: Any) -> bool:
        return _same(self._facts, _facts(model))

    def __reduce__(self) -> tuple[type[_Kept], tuple[()]]:
        """A copy of a model is another model."""
        return _Kept, ()


def _facts(model: Any) -> list[Any]:
    """What decides the graph of a model, in an order that only another model changes."""
    facts: list[Any] = [input_shape(model)]
    for layer in model._flatten_layers():
        facts += [layer, type(layer), getattr(layer, "compute_dtype", None)]
        for name, value in vars(layer).items():
            if name[0] != "_" and name not in _PASSING:
                facts += [name, tuple(value) if isinstance(value, list) else value]
    for variable in model.variables:
        facts += [variable, tuple(variable.shape), str(variable.dtype)]
    return facts


def _same(facts: list[Any], others: list[Any]) -> bool:
    pairs = zip(facts, others, strict=False)
    return len(facts) == len(others) and all(a is b or _equal(a, b) for a, b in pairs)


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are the same plain value; other things are compared by identity."""
    if isinstance(one, tuple) and type(one) is type(other) and len(one) == len(other):
        return all(a is b or _equal(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and isinstance(one, str | int | float) and one == other
