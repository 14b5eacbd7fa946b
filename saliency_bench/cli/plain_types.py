"""Types of plain configuration values: whether a value fits one, and its name in a message."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from saliency_bench.protocols import Explainer, TargetOutput


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value can be one of a type; types that plain values cannot show pass."""
    return any(_fits_one(value, option) for option in _alternatives(hint))


def type_name(hint: Any) -> str:
    """A type as a message calls it, e.g. "an integer or null"."""
    return " or ".join(_name_of_one(option) for option in _alternatives(hint))


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number; an integer of 400 digits is none: no float holds it."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


_PLAIN: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("an integer", lambda value: _is_number(value) and isinstance(value, int)),
    float: ("a finite number", _is_number),
    str: ("a text", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    type(None): ("null", lambda value: value is None),
}
"""Name in messages, and test of a value, by type."""


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)


def _fits_one(value: Any, hint: Any) -> bool:
    if hint in _PLAIN:
        return _PLAIN[hint][1](value)
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    inner = get_args(hint) or (Any,)
    if get_origin(hint) is Sequence:
        return isinstance(value, list) and all(fits(element, inner[0]) for element in value)
    if get_origin(hint) is Mapping:
        return isinstance(value, Mapping) and all(fits(v, inner[-1]) for v in value.values())
    if dataclasses.is_dataclass(hint) or hint in (Explainer, TargetOutput):
        return isinstance(value, Mapping) and "_target_" in value
    return True


def _name_of_one(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint][0]
    inner = get_args(hint) or (Any,)
    if get_origin(hint) is Sequence:
        return f"a list ({type_name(inner[0])} each)"
    if get_origin(hint) is Mapping:
        return "a mapping"
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    return f"described by a _target_ ({getattr(hint, '__name__', hint)})"
