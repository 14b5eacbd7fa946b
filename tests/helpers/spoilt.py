"""Ways to spoil a good file: each has a name, and what may come of it."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARKER = "executed"
"""The file that code in a spoilt file would write into the working directory."""

MEMORY = 64 * 2**20
"""Bytes that refusing a file may take."""


@dataclass(frozen=True)
class Spoilt:
    """A way to spoil a file.

    Attributes:
        name: what is done to it.
        make: from the good file's bytes, the spoilt one's.
        may_load: whether it may be loaded: the format has no means to see it, or it is not read.
    """

    name: str
    make: Callable[[bytes], bytes]
    may_load: bool = False


class Trap:
    """Whoever unpickles it writes the marker."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({MARKER!r}, 'w').close()",)


def instead(name: str, content: bytes, *, may_load: bool = False) -> Spoilt:
    """Another file in its place."""
    return Spoilt(name, lambda _: content, may_load)


def cuts(*, last_may_load: bool = False) -> Iterator[Spoilt]:
    """Truncated: at some shares of its length, and but for its last bytes."""
    yield instead("empty", b"")
    yield Spoilt("cut_to_1_byte", lambda whole: whole[:1])
    for share in (10, 25, 50, 75, 90):
        yield Spoilt(f"cut_at_{share}_%", lambda whole, at=share: whole[: len(whole) * at // 100])
    for lost in (40, 1):
        yield Spoilt(f"cut_by_{lost}", lambda whole, n=lost: whole[:-n], last_may_load)


def flips(count: int) -> Iterator[Spoilt]:
    """A byte turned over at evenly spaced places, the first and the last ones among them."""
    for place in range(count):
        yield Spoilt(
            f"flip_{place + 1}_of_{count}",
            lambda whole, at=place: _flipped(whole, at * (len(whole) - 1) // (count - 1)),
            may_load=True,
        )


def _flipped(whole: bytes, at: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]


def listing(folder: Path) -> list[str]:
    """Every file and folder below."""
    return sorted(os.path.join(top, name) for top, *both in os.walk(folder) for part in both
                  for name in part)  # fmt: skip


def outcome(load: Callable[[], Any], file: Path, top: Path) -> Any:
    """What loading a file gives, or how it is refused; it writes nothing and takes no memory."""
    before = listing(top)
    tracemalloc.start()
    try:
        return load()
    except (ValueError, OSError) as error:
        told = str(error)
        assert file.name in told
        assert "\n" not in told
        assert len(told) < 1000
        return error
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MEMORY
        assert listing(top) == before
        assert not Path(MARKER).exists()
