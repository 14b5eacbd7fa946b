"""Weights: in blocks, swapped in place, and proven to have changed and come back."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.network.trace import layer_calls, own_variables
from saliency_bench.storage.fingerprint import digest_of_weights


@dataclass(frozen=True)
class Block:
    """Layers that are randomised together: one step of a cascade.

    Attributes:
        name: unique in its model: the layer's name, with those of the models around it.
        variables: the Keras variables of its layers, tied ones only in the first block.
        layers: how many layers with weights it holds.
    """

    name: str
    variables: tuple[Any, ...]
    layers: int = 1


def blocks(
    model: Any,
    groups: Mapping[str, Sequence[str]] | None = None,
    *,
    exclude: Sequence[str] = (),
) -> tuple[Block, ...]:
    """The model's weights in blocks, output first, in execution order.

    Args:
        model: any built Keras model.
        groups: layer-name patterns (`fnmatch`) by block name; a layer joins the first group that
            names it, and a group stands where its last layer runs. Default: a block per layer.
        exclude: patterns of layers that are never randomised.

    Raises:
        ValueError: if a pattern fits no layer, a layer with weights is in no group, or the model
            has no weights.
    """
    layers = _layers_output_first(model)
    _require_known(exclude, layers, "exclude")
    kept = {name: own for name, own in layers.items() if not _matches(name, exclude)}
    if not kept:
        raise ValueError(f"the model must have weights to randomise; {model.name!r} has none left")
    if groups is None:
        return tuple(Block(name, tuple(own)) for name, own in kept.items())
    _require_known([p for patterns in groups.values() for p in patterns], kept, "groups")
    grouped: dict[str, list[list[Any]]] = {}
    for name, own in kept.items():
        grouped.setdefault(_group_of(name, groups), []).append(own)
    return tuple(
        Block(name, tuple(v for own in members for v in own), len(members))
        for name, members in grouped.items()
    )


def _layers_output_first(model: Any) -> dict[str, list[Any]]:
    """Each layer's own variables by unique name; tied variables once.

    A layer whose weights are used without calling it, such as a tied projection, has no place in
    the execution order: it comes last, as the model's own weights do.
    """
    names = {id(layer): name for name, layer in _named_layers(model)}
    executed = [call.layer for call in reversed(layer_calls(model))]
    claimed: set[int] = set()
    layers: dict[str, list[Any]] = {}
    for layer in [*executed, *model._flatten_layers(include_self=False), model]:
        own = [v for v in own_variables(layer) if id(v) not in claimed]
        claimed.update(map(id, own))
        if own:
            layers.setdefault(names.get(id(layer), layer.name), []).extend(own)
    return layers


def _named_layers(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    seen: dict[str, int] = {}
    for layer in model._flatten_layers(include_self=False, recursive=False):
        count = seen[layer.name] = seen.get(layer.name, 0) + 1
        name = prefix + layer.name + (f"#{count}" if count > 1 else "")
        yield name, layer
        yield from _named_layers(layer, name + "/")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    leaf = name.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatchcase(n, p) for p in patterns for n in (name, leaf))


def _require_known(patterns: Sequence[str], layers: Mapping[str, Any], what: str) -> None:
    for pattern in patterns:
        if not any(_matches(name, [pattern]) for name in layers):
            known = ", ".join(layers)
            raise ValueError(f"{what} must name layers with weights ({known}); got {pattern!r}")


def _group_of(name: str, groups: Mapping[str, Sequence[str]]) -> str:
    for group, patterns in groups.items():
        if _matches(name, patterns):
            return group
    raise ValueError(f"every layer with weights must be in a group or excluded; got {name!r}")


@contextmanager
def swapped(model: Any, variables: Sequence[Any], values: Sequence[NDArray[Any]]) -> Iterator[None]:
    """Put `values` into `variables` in place, and the old values back, bit for bit, on leaving.

    Raises:
        ValueError: if a variable is not the model's, or a value has another shape.
    """
    known = {id(v) for v in model.variables}
    for variable, value in zip(variables, values, strict=True):
        if id(variable) not in known:
            raise ValueError(f"variables must belong to the model; {variable.path!r} does not")
        if tuple(variable.shape) != np.shape(value):
            raise ValueError(
                f"a value must have its variable's shape {tuple(variable.shape)}; "
                f"got {np.shape(value)} for {variable.path!r}"
            )
    before = [variable.numpy().copy() for variable in variables]
    try:
        _assign(variables, values)
        yield
    finally:
        _assign(variables, before)


def _assign(variables: Sequence[Any], values: Sequence[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.value.assign(value)


def fingerprint(model: Any) -> str:
    """Hash of all of a model's live weights, in the order of `model.variables`."""
    return digest_of_weights(variable.numpy() for variable in model.variables)


def trained(model: Any, block: Block) -> Block:
    """The block without its statistics, such as BatchNorm's moving mean and variance."""
    statistics = {
        id(variable)
        for layer in model._flatten_layers()
        for variable in layer._non_trainable_variables
    }
    kept = tuple(v for v in block.variables if id(v) not in statistics)
    return Block(block.name, kept, block.layers)
