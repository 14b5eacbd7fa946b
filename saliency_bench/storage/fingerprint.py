"""What tells one thing from another: hashes of settings, arrays, scenes and of what code does."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Rows, Scene, parts

DIGEST = 16
"""Bytes of a hash."""

OURS = __name__.partition(".")[0]

_TOKENS: dict[type, str] = {}


# ---------------------------------------------------------------- settings and numbers


def digest(content: bytes) -> bytes:
    """Hash of bytes, `DIGEST` bytes long."""
    return hashlib.blake2b(content, digest_size=DIGEST).digest()


def content_key(identity: Mapping[str, Any], files: Iterable[Path] = ()) -> str:
    """Hash of plain settings and of what files hold, wherever they lie: a name for what follows."""
    total = hashlib.blake2b(digest_size=DIGEST)
    total.update(json.dumps(identity, sort_keys=True, default=repr).encode())
    for path in files:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, hashlib.blake2b).digest())
    return total.hexdigest()


def digest_of_array(array: NDArray[Any] | Rows) -> str:
    """Hash of an array's numbers; shape and dtype are not part of it."""
    total = hashlib.blake2b(digest_size=DIGEST)
    for part in parts(array):
        total.update(np.ascontiguousarray(part).data)
    return total.hexdigest()


def digest_of_weights(values: Iterable[NDArray[Any]]) -> str:
    """Hash of all weights of a network, in the order of `model.variables`."""
    total = hashlib.sha256()
    for value in values:
        total.update(np.ascontiguousarray(value).view(np.uint8).data)
    return total.hexdigest()[:32]


def scene_digest(scene: Scene, start: int, stop: int) -> str:
    """Hash of images, targets, keys and regions of a shard."""
    total = hashlib.blake2b(digest_size=DIGEST)
    part = scene.rows(slice(start, stop))
    for array in (part.images, part.targets, part.keys, part.regions):
        if array is not None:
            total.update(repr((array.shape, array.dtype.str)).encode())
            total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


# ---------------------------------------------------------------- explainers and the like


def identity(thing: object) -> str:
    """What tells a thing apart: its repr, and the source of what is not ours in it.

    One whose repr is an address, or whose source is unknown, is never met again.
    """
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        text = repr(thing)
    for function in functions_in(thing):
        text = text.replace(repr(function), describe(function))
    text = " ".join([text, *_sources(thing, _fresh)])
    return f"{text} {secrets.token_hex(8)}" if is_address(text) else text


def column(similarity: Any) -> str:
    """What tells a similarity from others: its settings, and the source of one that is not ours."""
    return " ".join([repr(similarity), *sorted(set(_sources(similarity, _same)))])


def is_address(text: str) -> bool:
    """Whether a repr says where a thing lies and not what it is."""
    return " at 0x" in text


def source_digest(thing: type | Callable[..., Any]) -> str | None:
    """Hash of the file in which a class or function not of this package was written.

    Of that file alone, not of what it imports. Empty for what is ours or Python's own: versions
    and `storage.source` know it. None if there is no file.
    """
    name = thing.__module__ or "builtins"  # None for methods of Python's own types
    if name.partition(".")[0] in (OURS, "builtins"):
        return ""
    try:
        file = inspect.getsourcefile(sys.modules[name])
    except (KeyError, TypeError):  # made without an import, or in a console or notebook
        return None
    if file is None or not Path(file).is_file():
        return None
    return digest(Path(file).read_bytes()).hex()


def _fresh(kind: type) -> str:
    """What stands for a class without a source: nobody has the same."""
    return secrets.token_hex(8)


def _same(kind: type) -> str:
    """What stands for a class without a source: no other class, or process, has the same."""
    return _TOKENS.setdefault(kind, _fresh(kind))


def _sources(thing: object, unknown: Callable[[type], str]) -> Iterator[str]:
    """Hashes of the sources of a thing and of the settings within it."""
    if inspect.isfunction(thing):
        # One without a file is known by its code, which is in the repr of its explainer.
        known = source_digest(thing) or ""
    else:
        found = source_digest(type(thing))
        known = unknown(type(thing)) if found is None else found
    if known:
        yield known
    if dataclasses.is_dataclass(thing):
        for setting in dataclasses.fields(thing):
            if setting.repr:  # what is not shown does not tell one from another
                yield from _sources(getattr(thing, setting.name), unknown)


# ---------------------------------------------------------------- what code does


def describe(thing: Any) -> str:
    """A function's name and a hash of what it does; the repr of anything else."""
    if not inspect.isfunction(thing):
        return repr(thing)
    known = digest(repr(_function_content(thing)).encode()).hex()
    return f"{thing.__module__}.{thing.__qualname__}, {known}"


def functions_in(thing: Any) -> Iterator[Any]:
    """The functions among a thing's settings."""
    if inspect.isfunction(thing):
        yield thing
    elif dataclasses.is_dataclass(thing):
        for setting in dataclasses.fields(thing):
            yield from functions_in(getattr(thing, setting.name))


def code_content(code: CodeType) -> tuple[Any, ...]:
    """What code does, the same in every process; not where it stands, nor its comments."""
    constants = [_constant(constant) for constant in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, code.co_exceptiontable, constants


def _constant(constant: Any) -> Any:
    if isinstance(constant, CodeType):
        return code_content(constant)
    # The order of a set of texts is another one in every process.
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant


def _function_content(function: FunctionType) -> tuple[Any, ...]:
    """Code, defaults and closure of a function, and of those of its module that it calls."""
    found: dict[FunctionType, tuple[Any, ...]] = {}
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if one not in found:
            closed = [cell.cell_contents for cell in one.__closure__ or ()]
            content = code_content(one.__code__)
            found[one] = content, one.__defaults__, one.__kwdefaults__, closed
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
