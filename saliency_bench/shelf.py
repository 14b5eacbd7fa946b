"""Where things lie that are needed again later: in memory while there is room, else in files."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

ROOM = 2**24
"""Bytes that are kept in memory."""


@dataclass(frozen=True)
class _Filed:
    """What lies in a file of this process's own.

    Attributes:
        path: the file: the arrays' bytes one after the other.
        head: everything else, pickled.
        sizes: of the arrays, in bytes.
    """

    path: Path
    head: bytes
    sizes: tuple[int, ...]

    def read(self) -> Any:
        with self.path.open("rb") as file:
            buffers = [bytearray(file.read(size)) for size in self.sizes]
        return pickle.loads(self.head, buffers=buffers)


class Shelf:
    """Values by key, so that what is kept may be larger than the memory; for several threads.

    A value is not changed once it lies here. Files last until it is closed and are read by
    nobody else.

    Args:
        room: bytes that are kept in memory, first come, first served.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._things: dict[Hashable, tuple[Any, int]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._count = 0
        self._lock = Lock()

    def close(self) -> None:
        """Forget everything."""
        self._things.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._things

    def __getitem__(self, key: Hashable) -> Any:
        """The value of a key, or a copy of it.

        Raises:
            KeyError: if there is none.
        """
        thing, _ = self._things[key]
        return thing.read() if isinstance(thing, _Filed) else thing

    def __setitem__(self, key: Hashable, thing: Any) -> None:
        """Keep a value, instead of the one that had its key.

        Raises:
            OSError: if it does not fit into memory and the disk is full.
        """
        self._forget(key)
        head, buffers = _pickled(thing)
        size = sum(buffer.nbytes for buffer in buffers)
        with self._lock:
            if not buffers or size <= self._room:
                self._room -= size
                self._things[key] = thing, size
                return
            path = self._fresh()
        with path.open("wb") as file:
            file.writelines(buffers)
        self._things[key] = _Filed(path, head, tuple(b.nbytes for b in buffers)), 0

    def pop(self, key: Hashable) -> Any:
        """The value of a key, which is forgotten; None if there is none."""
        if key not in self._things:
            return None
        value = self[key]
        self._forget(key)
        return value

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            thing, size = self._things.pop(key, (None, 0))
            self._room += size
        if isinstance(thing, _Filed):
            thing.path.unlink()

    def _fresh(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="saliency-bench-")
        self._count += 1
        return Path(self._folder.name) / str(self._count)


def _pickled(thing: Any) -> tuple[bytes, list[memoryview]]:
    """The bytes of a value's arrays, not copied, and of the rest; no arrays if it has no bytes."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    except (pickle.PicklingError, AttributeError, TypeError):
        return b"", []  # a class made in a function, say: it has to stay in memory
    return head, [buffer.raw() for buffer in buffers]
