"""Hashes that identify settings, arrays, scenes and code."""

from __future__ import annotations

import dataclasses
import functools
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


def digest(*parts: bytes | memoryview) -> bytes:
    """Hash of bytes, one part after the other; `DIGEST` bytes long."""
    total = hashlib.blake2b(digest_size=DIGEST)
    for part in parts:
        total.update(part)
    return total.digest()


def content_key(identity: Mapping[str, Any], files: Iterable[Path] = ()) -> str:
    """Hash of plain settings and of the content of files; a key for the numbers they decide."""
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
    """Hash of images, targets, keys, regions and labels of a shard.

    Args:
        scene: all images.
        start: first image of the shard.
        stop: one past its last.
    """
    total = hashlib.blake2b(digest_size=DIGEST)
    part = scene.rows(slice(start, stop))
    for array in (part.images, part.targets, part.keys, part.regions, part.labels):
        if array is not None:
            total.update(repr((array.shape, array.dtype.str)).encode())
            total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


# ---------------------------------------------------------------- explainers, similarities


def identity(thing: object) -> str:
    """Identity of an object: its repr, and the source of its classes outside this package.

    If the repr is an address or a source is unknown, the identity is random.
    """
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        text = repr(thing)
    for function in functions_in(thing):
        text = text.replace(repr(function), describe(function))
    text = " ".join([text, *_sources(thing, _random_identity)])
    return f"{text} {secrets.token_hex(8)}" if is_address(text) else text


def column(similarity: Any) -> str:
    """Identity of a similarity: its repr, and the source of its classes outside this package."""
    return " ".join([repr(similarity), *sorted(set(_sources(similarity, _fixed_identity)))])


def is_address(text: str) -> bool:
    """Whether a repr shows an object's address and not its settings."""
    return " at 0x" in text


def source_digest(thing: type | Callable[..., Any]) -> str | None:
    """Hash of the source file of a class or function; not of the modules that it imports.

    Empty for classes and functions of this package and of Python itself: versions and
    `storage.source` identify those. None if there is no file.
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


def function_content(build: Callable[..., Any]) -> Iterator[str]:
    """Name and source of a function or class, and its bound arguments."""
    while isinstance(build, functools.partial):
        yield repr((build.args, sorted(build.keywords.items())))
        build = build.func
    named = build if inspect.isroutine(build) or inspect.isclass(build) else type(build)
    yield f"{named.__module__}.{named.__qualname__}"
    yield source_or_code(named)


def function_name(build: Callable[..., Any]) -> str:
    """The name of a function or class, without its bound arguments."""
    while isinstance(build, functools.partial):
        build = build.func
    return str(getattr(build, "__name__", type(build).__name__))


def source_or_code(thing: Any) -> str:
    """Hash of a source; without a file: of a function's code, else random."""
    known = source_digest(thing)
    if known is not None:
        return known
    return describe(thing) if inspect.isfunction(thing) else secrets.token_hex(DIGEST)


def _random_identity(kind: type) -> str:
    """A random identity for a class without a source."""
    return secrets.token_hex(8)


def _fixed_identity(kind: type) -> str:
    """A random identity for a class without a source, the same within this process."""
    return _TOKENS.setdefault(kind, _random_identity(kind))


def _sources(thing: object, unknown: Callable[[type], str]) -> Iterator[str]:
    """Hashes of the sources of an object and of the settings within it."""
    if inspect.isfunction(thing):
        # A function without a file is identified by its code, in the repr of its explainer.
        known = source_digest(thing) or ""
    else:
        digest_ = source_digest(type(thing))
        known = unknown(type(thing)) if digest_ is None else digest_
    if known:
        yield known
    if dataclasses.is_dataclass(thing):
        for setting in dataclasses.fields(thing):
            if setting.repr:  # a field without a repr is not part of the identity
                yield from _sources(getattr(thing, setting.name), unknown)


# ---------------------------------------------------------------- code


def describe(thing: Any) -> str:
    """A function's name and a hash of its code; the repr of any other object."""
    if not inspect.isfunction(thing):
        return repr(thing)
    known = digest(repr(_function_content(thing)).encode()).hex()
    return f"{thing.__module__}.{thing.__qualname__}, {known}"


def functions_in(thing: Any) -> Iterator[Any]:
    """The functions among an object's settings."""
    if inspect.isfunction(thing):
        yield thing
    elif dataclasses.is_dataclass(thing):
        for setting in dataclasses.fields(thing):
            yield from functions_in(getattr(thing, setting.name))


def code_content(code: CodeType) -> tuple[Any, ...]:
    """Content of code, the same in every process, without its place and comments."""
    constants = [_constant(constant) for constant in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, code.co_exceptiontable, constants


def _constant(constant: Any) -> Any:
    if isinstance(constant, CodeType):
        return code_content(constant)
    # The order of a set of texts differs between processes.
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant


def _function_content(function: FunctionType) -> tuple[Any, ...]:
    """Code, defaults and closure of a function, and of functions of its module that it calls."""
    contents: dict[FunctionType, tuple[Any, ...]] = {}
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if one not in contents:
            closure = [cell.cell_contents for cell in one.__closure__ or ()]
            content = code_content(one.__code__)
            contents[one] = content, one.__defaults__, one.__kwdefaults__, closure
            named = [one.__globals__.get(name) for name in _names(one.__code__)]
            waiting += [f for f in named if inspect.isfunction(f) and _same_module(f, function)]
    return tuple(contents.values())


def _same_module(function: FunctionType, other: FunctionType) -> bool:
    return function.__module__ == other.__module__


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
