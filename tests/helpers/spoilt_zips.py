"""Zip archives that are not as they should be, written byte by byte."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

GIB = 2**30
STORED, DEFLATED, LZMA = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA


@dataclass(frozen=True)
class Member:
    """What stands in an archive, and what the archive says of it.

    Attributes:
        name: with folders.
        packed: its bytes in the archive.
        says: the bytes it is said to unpack to; None: as many as it has.
        method: how it is said to be packed.
        flags: bit 0: encrypted.
        sums_to: the bytes whose checksum it has; None: its own.
    """

    name: str
    packed: bytes
    says: int | None = None
    method: int = STORED
    flags: int = 0
    sums_to: bytes | None = None

    @property
    def head(self) -> tuple[bytes, bytes]:
        """What both of its entries in the archive hold: numbers, name and wide numbers."""
        size = len(self.packed) if self.says is None else self.says
        crc = zlib.crc32(self.packed if self.sums_to is None else self.sums_to)
        wide = struct.pack("<HHQQ", 1, 16, size, len(self.packed))
        sizes = (0xFFFFFFFF, 0xFFFFFFFF, len(self.name.encode()), len(wide))
        fixed = struct.pack("<HHHHHIIIHH", 45, self.flags, self.method, 0, 33, crc, *sizes)
        return fixed, self.name.encode() + wide


def archive(*members: Member) -> bytes:
    """The archive as a file holds it."""
    body, directory = b"", b""
    for member in members:
        fixed, rest = member.head
        directory += b"PK\1\2\x2d\0" + fixed + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + rest
        body += b"PK\3\4" + fixed + rest + member.packed
    count = len(members)
    return body + directory + struct.pack(
        "<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0
    )  # fmt: skip


def zeros(size: int, *, before: bytes = b"") -> bytes:
    """Some bytes and then so many zeros (whole MiB), deflated: a thousandth of them."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, wbits=-15)
    once = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return packed + once * (size // 2**20) + packer.flush(zlib.Z_FINISH)


def changed(content: bytes, members: Mapping[str, bytes | None]) -> bytes:
    """An archive with other bytes in some members, and new ones; None: without that one."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        held = {name: old.read(name) for name in old.namelist()} | dict(members)
    new = io.BytesIO()
    with zipfile.ZipFile(new, "w") as file:
        for name, value in held.items():
            if value is not None:
                file.writestr(name, value)
    return new.getvalue()


def with_members(content: bytes, *names: str) -> bytes:
    """An archive with more members, of which nothing knows."""
    new = io.BytesIO(content)
    with zipfile.ZipFile(new, "a") as file:
        for name in names:
            file.writestr(zipfile.ZipInfo(name), b"evil")
    return new.getvalue()
