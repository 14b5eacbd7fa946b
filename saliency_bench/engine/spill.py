"""A store for values that are needed again: in memory up to a limit, beyond it in a file."""

from __future__ import annotations

import pickle
import tempfile
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

ROOM = 2**24
"""Default limit of the bytes in memory."""


@dataclass(frozen=True)
class _FileEntry:
    """A value in the file.

    Attributes:
        start: position of its arrays' bytes, one array after the other.
        head: everyvalue else, pickled.
        sizes: sizes of the arrays, in bytes.
    """

    start: int
    head: bytes
    sizes: tuple[int, ...]


class _File:
    """Bytes in a file without a name; the system frees it when the process ends, also by a kill."""

    def __init__(self) -> None:
        # Unbuffered: a full disk raises an error at once, and no second one when the file closes.
        self._file = tempfile.TemporaryFile(prefix="saliency-bench-", buffering=0)  # noqa: SIM115
        self._end = 0
        self._free: dict[int, list[int]] = defaultdict(list)

    def put(self, buffers: Sequence[memoryview]) -> int:
        """Write bytes; return the position of the first one.

        Raises:
            OSError: if the disk is full.
        """
        size = sum(buffer.nbytes for buffer in buffers)
        # Values have few different sizes, so a freed place is soon used again.
        start = self._free[size].pop() if self._free[size] else self._end
        self._end = max(self._end, start + size)
        self._file.seek(start)
        for left in buffers:
            while left:
                left = left[self._file.write(left) :]
        return start

    def get(self, start: int, sizes: Sequence[int]) -> list[bytearray]:
        """Read the bytes that `put` wrote."""
        self._file.seek(start)
        buffers = [bytearray(size) for size in sizes]
        for buffer in buffers:
            left = memoryview(buffer)
            while left:
                left = left[self._file.readinto(left) :]
        return buffers

    def free(self, start: int, size: int) -> None:
        """Free a place for later values."""
        self._free[size].append(start)

    def close(self) -> None:
        """Close the file, which frees its disk space."""
        self._file.close()


class Shelf:
    """Values by key, which together may be larger than the memory; safe for several threads.

    A stored value must not be changed. The file belongs to this object alone.

    Args:
        room: limit of the bytes in memory; values that do not fit go to the file.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._values: dict[Hashable, tuple[Any, int]] = {}
        self._file: _File | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Delete all values."""
        self._values.clear()
        if self._file is not None:
            self._file.close()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def __getitem__(self, key: Hashable) -> Any:
        """The value of a key, or a copy from the file.

        Raises:
            KeyError: if there is none.
        """
        with self._lock:
            value, _ = self._values[key]
            if not isinstance(value, _FileEntry) or self._file is None:
                return value
            buffers = self._file.get(value.start, value.sizes)
        return pickle.loads(value.head, buffers=buffers)

    def __setitem__(self, key: Hashable, value: Any) -> None:
        """Store a value; it replaces an earlier one of the same key.

        Raises:
            OSError: if it does not fit into memory and the disk is full.
        """
        self._forget(key)
        head, buffers = _pickle(value)
        sizes = tuple(buffer.nbytes for buffer in buffers)
        with self._lock:
            if not buffers or sum(sizes) <= self._room:
                self._room -= sum(sizes)
                self._values[key] = value, sum(sizes)
                return
            self._file = self._file or _File()
            self._values[key] = _FileEntry(self._file.put(buffers), head, sizes), 0

    def pop(self, key: Hashable) -> Any:
        """Remove and return the value of a key; None if there is none."""
        if key not in self._values:
            return None
        value = self[key]
        self._forget(key)
        return value

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            value, size = self._values.pop(key, (None, 0))
            self._room += size
            if isinstance(value, _FileEntry) and self._file is not None:
                self._file.free(value.start, sum(value.sizes))


def _pickle(value: Any) -> tuple[bytes, list[memoryview]]:
    """Pickle a value: the rest, and its arrays' bytes without a copy; no arrays if impossible."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    except (pickle.PicklingError, AttributeError, TypeError):
        return b"", []  # e.g. a class defined in a function: the value stays in memory
    return head, [buffer.raw() for buffer in buffers]
