"""Where things lie that are needed again later: in memory while there is room, else in a file."""

from __future__ import annotations

import pickle
import tempfile
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

ROOM = 2**24
"""Bytes that are kept in memory."""


@dataclass(frozen=True)
class _Filed:
    """What lies in a file.

    Attributes:
        start: of the arrays' bytes, one after the other.
        head: everything else, pickled.
        sizes: of the arrays, in bytes.
    """

    start: int
    head: bytes
    sizes: tuple[int, ...]


class _File:
    """Bytes in a file without a name: the system frees it with the process, however that ends."""

    def __init__(self) -> None:
        # Unbuffered: a full disk is told by the write that it meets, and not again at the end.
        self._file = tempfile.TemporaryFile(prefix="saliency-bench-", buffering=0)  # noqa: SIM115
        self._end = 0
        self._free: dict[int, list[int]] = defaultdict(list)

    def put(self, buffers: Sequence[memoryview]) -> int:
        """Write bytes; returns where they begin.

        Raises:
            OSError: if the disk is full.
        """
        size = sum(buffer.nbytes for buffer in buffers)
        # Most have one of few sizes: what is freed of one is soon used again.
        start = self._free[size].pop() if self._free[size] else self._end
        self._end = max(self._end, start + size)
        self._file.seek(start)
        for left in buffers:
            while left:
                left = left[self._file.write(left) :]
        return start

    def get(self, start: int, sizes: Sequence[int]) -> list[bytearray]:
        """What was put there."""
        self._file.seek(start)
        buffers = [bytearray(size) for size in sizes]
        for buffer in buffers:
            left = memoryview(buffer)
            while left:
                left = left[self._file.readinto(left) :]
        return buffers

    def free(self, start: int, size: int) -> None:
        """What lies there is no longer needed."""
        self._free[size].append(start)

    def close(self) -> None:
        """Give the room back."""
        self._file.close()


class Shelf:
    """Values by key, so that what is kept may be larger than the memory; for several threads.

    A value is not changed once it lies here. The file lasts until it is closed and is read by
    nobody else.

    Args:
        room: bytes that are kept in memory, first come, first served.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._things: dict[Hashable, tuple[Any, int]] = {}
        self._file: _File | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Forget everything."""
        self._things.clear()
        if self._file is not None:
            self._file.close()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._things

    def __getitem__(self, key: Hashable) -> Any:
        """The value of a key, or a copy of it.

        Raises:
            KeyError: if there is none.
        """
        with self._lock:
            thing, _ = self._things[key]
            if not isinstance(thing, _Filed) or self._file is None:
                return thing
            buffers = self._file.get(thing.start, thing.sizes)
        return pickle.loads(thing.head, buffers=buffers)

    def __setitem__(self, key: Hashable, thing: Any) -> None:
        """Keep a value, instead of the one that had its key.

        Raises:
            OSError: if it does not fit into memory and the disk is full.
        """
        self._forget(key)
        head, buffers = _pickled(thing)
        sizes = tuple(buffer.nbytes for buffer in buffers)
        with self._lock:
            if not buffers or sum(sizes) <= self._room:
                self._room -= sum(sizes)
                self._things[key] = thing, sum(sizes)
                return
            self._file = self._file or _File()
            self._things[key] = _Filed(self._file.put(buffers), head, sizes), 0

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
            if isinstance(thing, _Filed) and self._file is not None:
                self._file.free(thing.start, sum(thing.sizes))


def _pickled(thing: Any) -> tuple[bytes, list[memoryview]]:
    """The bytes of a value's arrays, not copied, and of the rest; no arrays if it has no bytes."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    except (pickle.PicklingError, AttributeError, TypeError):
        return b"", []  # a class made in a function, say: it has to stay in memory
    return head, [buffer.raw() for buffer in buffers]
