"""Zip archives that came from elsewhere (.npz, .keras): what is not as it should be is refused.

Nothing is unpacked, or given memory, before its size was looked at; no pickle is ever read.
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
"""Bytes that any archive may unpack to."""

EXPANSION = 200
"""How many times its own size a larger one may; deflate reaches 1032."""

PIECE = 2**20
"""Bytes that are unpacked at a time."""

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What NumPy and Keras write; others unpack a piece whole, whatever size it is said to have."""

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Those of arrays of numbers."""


@contextmanager
def open_checked(file: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; what its members are said to be was checked.

    Raises:
        ValueError: a member lies outside the archive, is packed in another way, or they unpack to
            far more than the archive holds.
        zipfile.BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            _check(member)
            archive.open(member).close()  # its name here is the one that stands before its bytes
        unpacked, held = sum(member.file_size for member in members), file.stat().st_size
        if unpacked > max(FREE, EXPANSION * held):
            raise ValueError(f"its {held} bytes would unpack to {unpacked}")
        yield archive


def check_content(file: Path) -> None:
    """Raise unless every member's bytes are those that were written, and no more.

    A reader that asks for all of a member unpacks all there is, and cuts it to what it is said to
    be.

    Raises:
        ValueError: a member is longer or shorter than it is said to be.
        zipfile.BadZipFile: its bytes are not those that were written.
    """
    with open_checked(file) as archive:
        for member in archive.infolist():
            one_more = copy.copy(member)
            one_more.file_size += 1
            with archive.open(one_more) as stream:
                size = sum(len(part) for part in iter(partial(stream.read, PIECE), b""))
            if size != member.file_size:
                raise ValueError(f"its member {member.filename!r} is not as long as it says")


def array_names(archive: zipfile.ZipFile) -> list[str]:
    """Of the arrays in an .npz file."""
    return [name.removesuffix(".npy") for name in archive.namelist()]


def read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """An array of an .npz file.

    Raises:
        ValueError: it is not as long as its header says, or holds objects.
        zipfile.BadZipFile: its bytes are not those that were written.
    """
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as stream:
        _check_header(stream, member.file_size)
    with archive.open(member) as stream:
        return np.asarray(npy.read_array(stream, allow_pickle=False))


def _check(member: zipfile.ZipInfo) -> None:
    name = member.filename
    ways = (PurePosixPath(name), PureWindowsPath(name))
    if any(way.is_absolute() or way.drive or ".." in way.parts for way in ways):
        raise ValueError(f"its member {name!r} lies outside it")
    if member.compress_type not in METHODS:
        raise ValueError(f"its member {name!r} must be stored or deflated")


def _check_header(stream: IO[bytes], size: int) -> None:
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"its header must be of version 1.0 or 2.0, got {version}")
    shape, _, dtype = HEADERS[version](stream)
    told = stream.tell() + math.prod(shape) * dtype.itemsize
    if told != size and not dtype.hasobject:  # objects are refused by their own name
        raise ValueError(f"its header says {told} bytes, it has {size}")
