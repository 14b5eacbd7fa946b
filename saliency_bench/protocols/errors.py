"""The exceptions of the package, and errors as one line of text."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence


class NotApplicable(Exception):
    """A method cannot handle this model or these maps; the reason becomes a row of the results."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SettingError(ValueError):
    """A setting of an explainer does not fit the model or its images: the request was wrong."""


class ProofError(RuntimeError):
    """A change of the network did not happen, or was not undone."""


class ModelChanged(RuntimeError):
    """An explainer changed the model, which was put back.

    Args:
        names: of the variables and settings that it changed.
    """

    def __init__(self, names: Sequence[str]) -> None:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        super().__init__(f"it changed the model, which was put back: {', '.join(names[:3])}{more}")


SPEAKING = (ValueError, TypeError, OSError, ImportError, ProofError, ModelChanged)
"""Errors whose message is clear without the name of their class."""

LONGEST = 280
"""Most characters of a message."""

_ENOUGH = 120
"""Most letters of a list of names that is told in full."""

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""The codes by which libraries colour their messages."""

_KERAS_APPENDS = "Arguments received by "
"""Begins lines with the tensors of a call."""

_REORDERING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters without a look of their own that turn the letters around them."""


def printable(text: object) -> str:
    r"""A text as it may be shown: characters that control a terminal or a page become `\x1b`."""
    line = str(text)
    if line.isprintable():
        return line
    return "".join(_escaped(c) if _controls(c) else c for c in line)


def one_line(error: BaseException, *, longest: int = LONGEST) -> str:
    """The message of an error in one line, after the name of its class if that is needed.

    Args:
        error: the error.
        longest: most characters of the line.
    """
    if isinstance(error, SystemExit):
        return f"it ended the process by sys.exit({error.code!r})"
    text = in_one_line(str(error))
    line = text if text and isinstance(error, SPEAKING) else f"{type(error).__name__}: {text}"
    return shortened(line, longest=longest)


def with_class(error: BaseException) -> str:
    """The message of an error in one line, always after the name of its class."""
    return shortened(f"{type(error).__name__}: {in_one_line(str(error))}")


def shortened(line: str, *, longest: int = LONGEST) -> str:
    """A line, or its start."""
    return line if len(line) <= longest else f"{line[: longest - 4]} ..."


def in_one_line(text: str) -> str:
    """A text of several lines, perhaps coloured, as one printable line."""
    message = _COLOURS.sub("", text).partition(_KERAS_APPENDS)[0]
    return printable(" ".join(message.split()))


def nearest(name: object, known: Iterable[object]) -> str:
    """The three known names that come nearest to a wrong one, for an error message."""
    return ", ".join(difflib.get_close_matches(str(name), list(map(str, known)), cutoff=0))


def known_names(name: object, known: Iterable[object]) -> str:
    """What there is in place of a name that does not exist: the nearest names, all if not many."""
    names = list(map(str, known))
    near = difflib.get_close_matches(str(name), names, n=4)
    parts = [f"nearest: {', '.join(near)}"] if near else []
    if len(", ".join(names)) <= _ENOUGH:
        parts.append(f"there are: {', '.join(names)}")
    elif not near:
        parts.append(f"there are {len(names)}, such as {', '.join(names[:5])}")
    return "; ".join(parts)


def _controls(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or character in _REORDERING


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in Python or in TensorFlow, which need not be loaded here."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "ResourceExhaustedError"})
