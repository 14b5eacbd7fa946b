"""The exceptions of the package, and errors as one line of text."""

from __future__ import annotations

import re
from collections.abc import Sequence


class NotApplicable(Exception):
    """A method cannot handle this model or these maps; the reason becomes a row of the results."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Codes by which Keras prints parts of its messages in bold."""


def one_line(error: BaseException, *, longest: int | None = None) -> str:
    """The message of an error in one line, after the name of its class if that is needed.

    Args:
        error: the error.
        longest: most characters of the line; default: no limit.
    """
    text = " ".join(_COLOURS.sub("", str(error)).split())
    line = text if text and isinstance(error, SPEAKING) else f"{type(error).__name__}: {text}"
    return line if longest is None or len(line) <= longest else f"{line[: longest - 4]} ..."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in Python or in TensorFlow, which need not be loaded here."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "ResourceExhaustedError"})
