"""The run folder: a plan, cells keyed by content, and other files; every write is atomic."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.storage.fingerprint import DIGEST, digest
from saliency_bench.storage.json_rules import Rule, plain

Arrays = Mapping[str, NDArray[Any]]

PARTIAL = ".begun"
"""Prefix of an unfinished file's name; then follow process number, its start time and machine."""


def location(place: str) -> Path:
    """The path of a folder: a local one, or an address such as `s3://bucket/folder`.

    Raises:
        ValueError: if the packages for such an address are not installed.
    """
    if "://" not in place:
        return Path(place)
    try:
        from upath import UPath

        return cast(Path, UPath(place))  # UPath has the methods of Path
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"run_dir must be a folder, or an address that fsspec knows; got {place}: {error} "
            "(pip install 'saliency-bench[s3]' for s3://)"
        ) from error


def remove_folder(path: Path) -> None:
    """Remove a folder and its content, if it exists."""
    if isinstance(path, Path):
        shutil.rmtree(path, ignore_errors=True)
    elif path.exists():
        path.fs.rm(path.path, recursive=True)


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for an atomic write: its path never shows a part of it, even after a crash.

    Raises:
        OSError: if the folder cannot be written or the disk is full; the old file stays.
    """
    if not isinstance(path, Path):  # an object store: uploads are atomic
        with tempfile.NamedTemporaryFile() as file:
            yield file
            file.flush()
            path.fs.put_file(file.name, path.path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    process = os.getpid()
    prefix = f"{PARTIAL}-{process}-{_start_time(process)}-{_machine()}-{path.name[:40]}-"
    handle, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_atomic(path: Path, content: bytes) -> None:
    """Write a whole file atomically; raises as `atomic` does."""
    with atomic(path) as file:
        file.write(content)


def remove_partial_files(folder: Path) -> None:
    """Remove unfinished files of killed processes of this machine from a folder."""
    if not isinstance(folder, Path):
        return
    # `rglob` would raise if another process removed a folder meanwhile.
    for parent, _, names in os.walk(folder):
        for name in names:
            if _is_abandoned(name):
                with suppress(OSError):  # already removed, or another user's
                    Path(parent, name).unlink()


def _is_abandoned(name: str) -> bool:
    """Whether a file name is that of an unfinished file of a dead process of this machine."""
    prefix, *parts = name.split("-", 4)
    if prefix != PARTIAL or len(parts) < 4 or parts[2] != _machine() or not parts[0].isdecimal():
        return False
    process = int(parts[0])
    return not _is_alive(process) or _start_time(process) != parts[1]


def _machine() -> str:
    return hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()


def _start_time(process: int) -> str:
    """When a process started, in ticks of this machine's kernel; "0" if unknown.

    Process numbers are reused; in a container soon, since they start from 1 again.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return "0"
    # Fields are counted after the last bracket: the process name may contain spaces and brackets.
    return stat.rpartition(b")")[2].split()[19].decode()


def _is_alive(process: int) -> bool:
    """Whether a process of this machine is alive; True if unknown."""
    if os.name == "nt":  # on Windows `os.kill` would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` with its schema version."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=2, default=str)
    write_atomic(path, text.encode() + b"\n")


def read_json(path: Path, holds: Rule = plain) -> dict[str, Any] | None:
    """Read a file of `write_json`; None if there is no such file.

    Args:
        path: of the file.
        holds: what its content must be.

    Raises:
        ValueError: if the file is damaged, of another schema version, or holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:  # too deep lists in lists, too
        raise ValueError(f"{path} must hold JSON; it is damaged ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object; it holds another value")
    require_version(str(path), str(content.get("schema_version", "")))
    try:
        holds("", content)
    except ValueError as error:
        raise ValueError(f"{path} must hold what this version writes: {error}") from None
    return content


def require_version(file: str, version: str) -> None:
    """Raise `ValueError` unless the schema version of a file is the one of this package."""
    if version != str(SCHEMA_VERSION):
        raise ValueError(
            f"{file} must have schema_version {SCHEMA_VERSION}, it has {version[:20] or 'none'}: "
            "another version wrote it, or it is damaged"
        )


@dataclass(frozen=True)
class Store:
    """The files of one run.

    A cell is an npz file followed by a hash of its key and its bytes: a cell that is damaged, or
    lies under another cell's key, is recognised and computed again.

    Attributes:
        folder: the run folder.
    """

    folder: Path

    def columns(self, key: str) -> frozenset[str] | None:
        """The names of a cell's arrays; None if it is missing or damaged."""
        content = self._intact(key)
        if content is None:
            return None
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            return frozenset(name.removesuffix(".npy") for name in file.namelist())

    def cell(
        self, key: str, names: Collection[str] | None = None
    ) -> dict[str, NDArray[Any]] | None:
        """A cell's arrays, or those of `names` that it has; None if it is missing or damaged."""
        content = self._intact(key)
        if content is None:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files if names is None or name in names}

    def damaged(self, key: str) -> bool:
        """Whether a cell exists and is damaged."""
        return self._path(key).exists() and self._intact(key) is None

    def save_cell(self, key: str, arrays: Arrays) -> None:
        """Save a cell; arrays that were saved under its key before stay."""
        content, path = _npz({**arrays, **(self.cell(key) or {})}), self._path(key)
        try:
            write_atomic(path, content + digest(key.encode(), content))
        except IsADirectoryError:  # a damaged cell that no file can replace
            remove_folder(path)
            write_atomic(path, content + digest(key.encode(), content))

    def save_maps(self, name: str, maps: NDArray[np.float32]) -> None:
        """Save raw maps as `maps/<name>.npz`."""
        write_atomic(self._maps_path(name), _npz({"maps": maps}))

    def has_maps(self, name: str) -> bool:
        """Whether `save_maps` has saved maps under this name."""
        return self._maps_path(name).exists()

    def _maps_path(self, name: str) -> Path:
        return self.folder / "maps" / f"{name}.npz"

    def _path(self, key: str) -> Path:
        return self.folder / "cells" / f"{key}.npz"

    def _intact(self, key: str) -> bytes | None:
        try:
            stored = self._path(key).read_bytes()
        except OSError:  # an unreadable sector counts as a missing file
            return None
        content, expected = stored[:-DIGEST], stored[-DIGEST:]
        return content if digest(key.encode(), content) == expected else None


def _npz(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
