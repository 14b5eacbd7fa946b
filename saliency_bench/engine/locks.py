"""Locks by which several processes share the work of one run folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

try:
    import fcntl
except ImportError:  # there are no such locks on Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE = 0.2
"""Seconds until a unit that another process has claimed is tried again."""


class Claims:
    """Claims on units of a run; the system releases those of a process that dies.

    Each claim locks one byte of a file. Where files cannot be locked (object stores, Windows)
    every claim is granted: then work may be done twice, with the same result.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Any) -> None:
        self._path = folder / "lock" if fcntl is not None and isinstance(folder, Path) else None
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def take(self, key: str) -> bool:
        """Claim the unit with this key, a hexadecimal hash; False if another process has it."""
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a network folder without locks
            pass
        return True

    def give_back(self, key: str) -> None:
        """Release the claim on the unit with this key."""
        if self._file is not None:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))


def _place(key: str) -> int:
    return int(key[:15], 16)
