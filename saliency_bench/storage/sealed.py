"""A seal: the hash of a whole parquet file within that file, at a place that other readers skip."""

from __future__ import annotations

import hashlib
import io
from typing import IO, Any

from saliency_bench.storage.fingerprint import DIGEST

_BEFORE = len(b"PAR1")
"""Bytes before the seal: every parquet file begins with them."""

_MARK = b"seal one"
"""Precedes the hash; no page of a table begins like this."""

_PLACE = _BEFORE + len(_MARK)

_PIECE = 2**20
"""Bytes that are read at a time."""


class Sink(io.RawIOBase):
    """Passes on what is written, and hashes it.

    Args:
        file: the file to write; it can seek.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._total = hashlib.blake2b(digest_size=DIGEST)

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def write(self, content: Any) -> int:
        """Write bytes; return their number."""
        self._total.update(content)
        return self._file.write(content)

    def seal(self) -> None:
        """Write the hash into the place of `blank`, once the file is complete."""
        self._file.seek(_PLACE)
        self._file.write(self._total.digest())
        self._file.seek(0, io.SEEK_END)


def blank() -> bytes:
    """The place of a seal, to be written right after the first bytes of a file."""
    return _MARK + bytes(DIGEST)


def check(file: IO[bytes]) -> bool:
    """Whether a file has a seal; it is read from its start, and is at its start again afterwards.

    Args:
        file: open for reading; has `read` and `seek`.

    Raises:
        ValueError: if its content is not the one that was sealed.
    """
    file.seek(0)
    head = bytes(file.read(_PLACE + DIGEST))
    sealed = head[_BEFORE:_PLACE] == _MARK
    if sealed:
        total = hashlib.blake2b(head[:_PLACE] + bytes(DIGEST), digest_size=DIGEST)
        while part := file.read(_PIECE):
            total.update(part)
        if total.digest() != head[_PLACE:]:
            raise ValueError("its content does not match its checksum")
    file.seek(0)
    return sealed
