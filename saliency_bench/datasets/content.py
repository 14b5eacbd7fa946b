"""A hash of what decides the content of a dataset or a model: settings and files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def digest(settings: Mapping[str, Any], files: Iterable[Path] = ()) -> str:
    """Hash of plain settings and of what the files hold, wherever they lie."""
    text = json.dumps(settings, sort_keys=True, default=list)
    total = hashlib.blake2b(text.encode(), digest_size=16)
    for path in files:
        total.update(_file_digest(path))
    return total.hexdigest()


def digest_of_array(array: NDArray[Any]) -> str:
    """Hash of an array's numbers; shape and dtype are not part of it."""
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()


def existing(path: str | Path) -> Path:
    """The path of a file that is there.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"path must be a file; got the folder {path}")
    if not file.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    return file


def _file_digest(path: Path) -> bytes:
    with existing(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).digest()
