"""The exceptions of the package, and errors as one line of text."""

from __future__ import annotations

import re

_COLOURS = re.compile("\x1b\\[[0-9;]*m")  # in which Keras writes the names of layers


class NotApplicable(Exception):
    """A method cannot handle this model or these maps; the reason becomes a row of the results."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProofError(RuntimeError):
    """A change of the network did not happen, or was not undone."""


SPEAKING = (ValueError, TypeError, OSError, ImportError, ProofError)
"""Errors whose message is clear without the name of their class."""


def one_line(error: BaseException, *, longest: int | None = None) -> str:
    """The message of an error in one line, after the name of its class if that is needed.

    Args:
        error: the error.
        longest: most characters of the line; default: no limit.
    """
    text = " ".join(_COLOURS.sub("", str(error)).split())
    line = text if text and isinstance(error, SPEAKING) else f"{type(error).__name__}: {text}"
    return line if longest is None or len(line) <= longest else f"{line[: longest - 4]} ..."
