"""What tells an explainer, a condition or a measure apart from every other one."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saliency_bench.code import described, functions_in
from saliency_bench.protocols import Scene

_TOKENS: dict[type, str] = {}


def column(measure: Any) -> str:
    """What tells a measure from others: its settings, and the source of one that is not ours."""
    return " ".join([repr(measure), *sorted(set(_sources(measure, _same)))])


def source_digest(thing: type | Callable[..., Any]) -> str | None:
    """Hash of the file in which a class or function not of this package was written.

    Of that file alone, not of what it imports. Empty for what is ours or Python's own: versions
    and `provenance.numerics` know it. None if there is no file.
    """
    name = thing.__module__ or "builtins"  # None for methods of Python's own types
    if name.partition(".")[0] in (__name__.partition(".")[0], "builtins"):
        return ""
    try:
        file = inspect.getsourcefile(sys.modules[name])
    except (KeyError, TypeError):  # made without an import, or in a console or notebook
        return None
    if file is None or not Path(file).is_file():
        return None
    return hashlib.blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()


def identity(thing: object) -> str:
    """What tells a thing apart: its repr, and the source of what is not ours in it.

    One whose repr is an address, or whose source is unknown, is never met again.
    """
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        text = repr(thing)
    for function in functions_in(thing):
        text = text.replace(repr(function), described(function))
    text = " ".join([text, *_sources(thing, _fresh)])
    return f"{text} {secrets.token_hex(8)}" if is_address(text) else text


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
        digest = source_digest(thing) or ""
    else:
        found = source_digest(type(thing))
        digest = unknown(type(thing)) if found is None else found
    if digest:
        yield digest
    if dataclasses.is_dataclass(thing):
        for setting in dataclasses.fields(thing):
            if setting.repr:  # what is not shown does not tell one from another
                yield from _sources(getattr(thing, setting.name), unknown)


def is_address(text: str) -> bool:
    """Whether a repr says where a thing lies and not what it is."""
    return " at 0x" in text


def scene_digest(scene: Scene, start: int, stop: int) -> str:
    """Hash of images, targets, keys and regions of a shard."""
    digest = hashlib.blake2b(digest_size=16)
    part = scene.rows(slice(start, stop))
    for array in (part.images, part.targets, part.keys, part.regions):
        if array is not None:
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
