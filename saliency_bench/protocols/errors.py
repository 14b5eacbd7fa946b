"""What the suite raises, and how an error is told in one line."""

from __future__ import annotations


class NotApplicable(Exception):
    """A method that cannot serve this model or these maps; the reason becomes a row."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProofError(RuntimeError):
    """The instrument itself is broken: a change did not happen, or was not undone."""


SPEAKING = (ValueError, TypeError, OSError, ImportError, ProofError)
"""Errors whose message says enough without the name of their class."""


def one_line(error: BaseException, *, longest: int | None = None) -> str:
    """An error's message in one line, behind the name of its class where that is needed.

    Args:
        error: the error.
        longest: letters after which the line is cut; default: it is not.
    """
    text = " ".join(str(error).split())
    line = text if text and isinstance(error, SPEAKING) else f"{type(error).__name__}: {text}"
    return line if longest is None or len(line) <= longest else f"{line[: longest - 4]} ..."
