"""From a composed configuration to objects: checked types, one-line errors."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

PICK_MANY = ("check", "explainer", "similarity")
"""Groups of which any number may be chosen; each option holds its own key."""


def picked(config: DictConfig, group: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The objects chosen from a pick-many group, by name.

    What a preset sets of a thing that was then deselected is dropped; what the user sets of one
    is a mistake.

    Raises:
        ValueError: if nothing was chosen, or a setting belongs to nothing that was.
    """
    objects: dict[str, Any] = {}
    for name, node in config[group].items():
        if isinstance(node, DictConfig) and "_target_" in node:
            objects[name] = built(node, f"{group}.{name}")
        elif any(override.lstrip("+~").startswith(f"{group}.{name}") for override in overrides):
            chosen = ", ".join(n for n, o in config[group].items() if "_target_" in o)
            raise ValueError(
                f"{group}.{name} has settings but was not chosen; chosen are: {chosen}"
            )
    if not objects:
        raise ValueError(f"{group} must name at least one; got none")
    return objects


def built(node: DictConfig, where: str) -> Any:
    """The object a node's `_target_` describes.

    Raises:
        ValueError: in one line that starts with `where`, whatever went wrong.
    """
    try:
        plain = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        _check_types(plain, where)
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        raise ValueError(f"{where}: {_cause(error)}") from None
    except (ValueError, TypeError, ImportError, OmegaConfBaseException) as error:
        message = str(error).splitlines()[0]
        raise ValueError(message if message.startswith(where) else f"{where}: {message}") from None


def _cause(error: BaseException) -> str:
    """The first line of what an instantiation really failed of."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).splitlines()[0]


def _check_types(plain: Any, where: str) -> None:
    """Raise if a setting is unknown to the dataclass that a node describes, or of a wrong type."""
    if not isinstance(plain, Mapping):
        return
    for key, value in plain.items():
        _check_types(value, f"{where}.{key}")
    target = get_object(plain["_target_"]) if "_target_" in plain else None
    if target is None or not dataclasses.is_dataclass(target):
        return
    hints = get_type_hints(target)
    allowed = [f.name for f in dataclasses.fields(target) if f.init]
    for key, value in plain.items():
        if key in {"_target_", "_convert_", "_recursive_"}:
            continue
        if key not in allowed:
            raise ValueError(f"{where}.{key} is no setting; there are: {', '.join(allowed)}")
        if not _fits(value, hints[key]):
            raise ValueError(f"{where}.{key} must be {_words(hints[key])}; got {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value can be one of a type; types that plain values cannot show pass."""
    if get_origin(hint) in {Union, types.UnionType}:
        return any(_fits(value, option) for option in get_args(hint))
    if get_origin(hint) is Literal:
        return True  # the class itself says which words it knows
    if hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str)
    return True


def _words(hint: Any) -> str:
    options = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    names = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}
    return " or ".join("null" if o is type(None) else names.get(o, str(o)) for o in options)
