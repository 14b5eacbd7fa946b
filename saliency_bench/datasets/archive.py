"""Reads zip archives of unknown origin (.npz, .keras) and refuses malformed ones.

Sizes are checked before anything is unpacked or memory is allocated; pickles are never read.
"""

from __future__ import annotations

import copy
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

FREE = 2**30
"""Unpacked size in bytes that every archive may have."""

EXPANSION = 200
"""Largest expansion of an archive that unpacks to more; deflate reaches 1032."""

PIECE = 2**20
"""Bytes unpacked at a time."""

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The methods NumPy and Keras use; others unpack a piece whole, whatever its stated size."""

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Readers of the .npy header, by version of the format."""


@contextmanager
def open_checked(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive and check the stated names, methods and sizes of its members.

    Raises:
        ValueError: if a member's path leads outside the archive, its compression method is not
            allowed, or the members unpack to far more bytes than the archive has.
        zipfile.BadZipFile: if the file is no archive.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            _check(member)
            archive.open(member).close()  # raises if the name before its bytes is another one
        unpacked, packed = sum(member.file_size for member in members), file.stat().st_size
        if unpacked > max(FREE, EXPANSION * packed):
            raise ValueError(f"its {packed} bytes would unpack to {unpacked}")
        yield archive


def check_content(file: Path) -> None:
    """Check the size and the checksum of every member.

    `zipfile` itself cuts a member that is too long to its stated size, without an error.

    Raises:
        ValueError: if a member is longer or shorter than stated.
        zipfile.BadZipFile: if a checksum is wrong.
    """
    with open_checked(file) as archive:
        for member in archive.infolist():
            one_more = copy.copy(member)
            one_more.file_size += 1
            with archive.open(one_more) as stream:
                size = sum(len(part) for part in iter(partial(stream.read, PIECE), b""))
            if size != member.file_size:
                raise ValueError(f"its member {member.filename!r} does not have its stated size")


def array_names(archive: zipfile.ZipFile) -> list[str]:
    """The names of the arrays in an .npz file."""
    return [name.removesuffix(".npy") for name in archive.namelist()]


def read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read an array of an .npz file.

    Raises:
        ValueError: if its size differs from its header, or it holds objects.
        zipfile.BadZipFile: if its checksum is wrong.
    """
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as stream:
        _check_header(stream, member.file_size)
    with archive.open(member) as stream:
        return np.asarray(npy.read_array(stream, allow_pickle=False))


def _check(member: zipfile.ZipInfo) -> None:
    name = member.filename
    paths = (PurePosixPath(name), PureWindowsPath(name))
    if any(path.is_absolute() or path.drive or ".." in path.parts for path in paths):
        raise ValueError(f"its member {name!r} lies outside it")
    if member.compress_type not in METHODS:
        raise ValueError(f"its member {name!r} must be stored or deflated")


def _check_header(stream: IO[bytes], size: int) -> None:
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"its header must be of version 1.0 or 2.0, got {version}")
    shape, _, dtype = HEADERS[version](stream)
    stated = stream.tell() + math.prod(shape) * dtype.itemsize
    if stated != size and not dtype.hasobject:  # NumPy refuses objects with a better message
        raise ValueError(f"its header states {stated} bytes; got {size}")
