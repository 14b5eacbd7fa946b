"""Functions told apart by what they do, not by where they lie in memory."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any


def described(thing: Any) -> str:
    """A function's name and a hash of its content; the repr of anything else."""
    if not inspect.isfunction(thing):
        return repr(thing)
    digest = hashlib.blake2b(repr(_content(thing)).encode(), digest_size=8).hexdigest()
    return f"{thing.__module__}.{thing.__qualname__}, {digest}"


def functions_in(thing: Any) -> Iterator[Any]:
    """The functions among a thing's settings."""
    if inspect.isfunction(thing):
        yield thing
    elif dataclasses.is_dataclass(thing):
        for setting in dataclasses.fields(thing):
            yield from functions_in(getattr(thing, setting.name))


def _content(function: FunctionType) -> tuple[Any, ...]:
    """What a function does: its code, defaults and closure, and those of its module it calls."""
    found: dict[FunctionType, tuple[Any, ...]] = {}
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if one not in found:
            closed = [cell.cell_contents for cell in one.__closure__ or ()]
            found[one] = _code(one.__code__), one.__defaults__, one.__kwdefaults__, closed
            named = [one.__globals__.get(name) for name in _names(one.__code__)]
            waiting += [f for f in named if inspect.isfunction(f) and _beside(f, function)]
    return tuple(found.values())


def _beside(function: FunctionType, other: FunctionType) -> bool:
    return function.__module__ == other.__module__


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _code(code: CodeType) -> tuple[Any, ...]:
    constants = [_code(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_code, code.co_names, constants
