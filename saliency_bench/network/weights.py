"""Weights: divided into blocks, replaced in place, and hashed."""

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
    """Layers that are randomised together: one stage of a cascade.

    Attributes:
        name: unique in its model: the group's name, or the layer's, after those of the models that
            contain it.
        variables: the Keras variables of its layers; tied variables belong to the first block only.
        layers: number of its layers with weights.
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
    """Divide the model's weights into blocks, against the execution order: the output comes first.

    Args:
        model: any built Keras model.
        groups: patterns of layer names (`fnmatch`) by block name; a layer joins the first group
            that matches, and a group has the position of its last executed layer. Default: a block
            per layer.
        exclude: patterns of layers that are never randomised.

    Raises:
        ValueError: if a pattern matches no layer, a layer with weights is in no group, or the model
            has no weights.
    """
    layers = _layers_output_first(model)
    _require_known(exclude, layers, "exclude")
    included = {name: own for name, own in layers.items() if not _matches(name, exclude)}
    if not included:
        raise ValueError(f"the model must have weights to randomise; {model.name!r} has none left")
    if groups is None:
        return tuple(Block(name, tuple(own)) for name, own in included.items())
    _require_known([p for patterns in groups.values() for p in patterns], included, "groups")
    grouped: dict[str, list[list[Any]]] = {}
    for name, own in included.items():
        grouped.setdefault(_group_of(name, groups), []).append(own)
    return tuple(
        Block(name, tuple(v for own in members for v in own), len(members))
        for name, members in grouped.items()
    )


def _layers_output_first(model: Any) -> dict[str, list[Any]]:
    """Each layer's own variables by unique name; tied variables once.

    A layer that is never called, such as one whose weights another layer uses, has no place in the
    execution order: it comes last, as the model's own weights do.
    """
    names = {id(layer): name for name, layer in _named_layers(model)}
    executed = [call.layer for call in reversed(layer_calls(model))]
    assigned: set[int] = set()
    layers: dict[str, list[Any]] = {}
    for layer in [*executed, *model._flatten_layers(include_self=False), model]:
        own = [v for v in own_variables(layer) if id(v) not in assigned]
        assigned.update(map(id, own))
        if own:
            layers.setdefault(names.get(id(layer), layer.name), []).extend(own)
    return layers


def _named_layers(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    counts: dict[str, int] = {}
    for layer in model._flatten_layers(include_self=False, recursive=False):
        count = counts[layer.name] = counts.get(layer.name, 0) + 1
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
    """A block in which variables have other values; the old ones come back bit for bit.

    Args:
        model: any built Keras model.
        variables: variables of the model.
        values: a new value for each variable, of its shape.

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
    """Hash of all current weights of a model, in the order of `model.variables`."""
    return digest_of_weights(variable.numpy() for variable in model.variables)


def trained(model: Any, block: Block) -> Block:
    """The block without untrained statistics, such as BatchNorm's moving mean and variance."""
    known = {id(variable) for layer in model._flatten_layers() for variable in statistics(layer)}
    weights = tuple(v for v in block.variables if id(v) not in known)
    return Block(block.name, weights, block.layers)


def is_quantized(layer: Any) -> bool:
    """Whether a layer holds weights of few bits with their scales, after `quantize`."""
    return getattr(layer, "quantization_mode", None) is not None


def statistics(layer: Any) -> list[Any]:
    """A layer's own variables that no gradient trains; those of a quantised layer are weights."""
    return [] if is_quantized(layer) else list(layer._non_trainable_variables)
