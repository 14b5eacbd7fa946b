"""Rules of the options of a study: which values they take, and which names there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any

from saliency_bench.protocols import Preprocessing, nearest
from saliency_bench.study.names import shown

Rule = tuple[str, str, Callable[[Any], bool]]
"""Name of an option, and what its value must be, in words and as a test."""


def require(options: object) -> None:
    """Raise `ValueError` in one line if an option has a wrong value."""
    for name, rule, fits in RULES:
        value = getattr(options, name)
        if not fits(value):
            raise ValueError(f"{name} must be {rule}; got {shown(value)}")


def require_known(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise `TypeError` in one line with the nearest names if there is no option of a name."""
    names = list(known)
    for name in given:
        if name not in names:
            raise TypeError(f"Options has no {name!r}; the nearest are: {nearest(name, names)}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_count_or_none(value: Any) -> bool:
    return value is None or (_is_integer(value) and value >= 1)


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type)


def _is_output(value: Any) -> bool:
    return value in ("logit", "probability") if isinstance(value, str) else _is_function(value)


def _is_names(value: Any) -> bool:
    names = isinstance(value, Sequence) and not isinstance(value, str)
    return names and all(isinstance(name, str) and name for name in value)


RULES: tuple[Rule, ...] = (
    *((name, "an integer", _is_integer) for name in ("seed", "draws")),
    ("seed", "at least 0", lambda value: value >= 0),
    ("draws", "at least 1", lambda value: value >= 1),
    *((n, "at least 1", _is_count_or_none) for n in ("n_images", "batch_size", "cores")),
    *((n, "true or false", lambda v: isinstance(v, bool)) for n in ("save_maps", "mixed")),
    ("run_dir", "a folder or None", lambda v: v is None or isinstance(v, str | os.PathLike)),
    ("preprocessing", "a Preprocessing", lambda value: isinstance(value, Preprocessing)),
    ("classes", "the names of the classes", _is_names),
    ("progress", "true, false or None", lambda v: v is None or isinstance(v, bool)),
    ("weights", "what trains networks, e.g. a models.Trainer", _is_function),
    ("tuner", "what fine-tunes a network, e.g. a models.FineTuner", _is_function),
    ("output", "logit, probability or a function of the model's output", _is_output),
)
"""In the order in which they are tested."""
