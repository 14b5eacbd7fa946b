"""Files of a dataset or a model: a hash of their content, and how they are read."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saliency_bench.storage.fingerprint import content_key


def digest(settings: Mapping[str, Any], files: Iterable[Path] = ()) -> str:
    """Hash of plain settings and of what the files hold, wherever they lie."""
    return content_key(settings, map(existing, files))


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


def reason(error: Exception) -> str:
    """Why a file cannot be read, in one line."""
    text = textwrap.shorten(str(error), width=240, placeholder=" ...")
    return text or type(error).__name__


@contextmanager
def reading(rule: str, why: Callable[[Exception], str] = reason) -> Iterator[None]:
    """Whatever a reader raises of a file's content is a `ValueError`: the rule, and why not.

    Args:
        rule: what the file, which it names, must be.
        why: the reader's error in words.
    """
    try:
        yield
    except Exception as error:  # a damaged file makes its reader raise anything
        raise ValueError(f"{rule}: {why(error)}") from error
