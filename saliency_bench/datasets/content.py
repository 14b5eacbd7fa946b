"""Files of a dataset or a model: a hash of their content, and one-line errors for reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from saliency_bench.protocols import interrupts, one_line
from saliency_bench.storage.fingerprint import content_key

LONGEST = 240
"""Letters of another library's message that are quoted."""

quote = partial(one_line, longest=LONGEST)
"""An error's message, or its start, in one line."""


def digest(settings: Mapping[str, Any], files: Iterable[Path] = ()) -> str:
    """Hash of plain settings and of the files' content; the files' paths are not part of it.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if a file is a folder.
    """
    return content_key(settings, map(require_file, files))


def require_file(path: str | Path) -> Path:
    """The path of an existing file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a folder.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"path must be a file; got the folder {path}")
    if not file.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    return file


@contextmanager
def as_value_error(rule: str, reason: Callable[[BaseException], str] = quote) -> Iterator[None]:
    """Turn any error inside the block into a `ValueError` in one line: the rule, then the reason.

    For calls of code that is not ours and may raise anything: readers of files, a user's function.

    Args:
        rule: what must hold; it names the file or the function.
        reason: describes the error in one line.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        interrupts.ask()
        raise ValueError(f"{rule}: {reason(error)}") from error
