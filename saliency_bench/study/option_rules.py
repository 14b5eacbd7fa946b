"""Rules of the options of a study: which values they take, and which names there are."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

from saliency_bench.protocols import Preprocessing
from saliency_bench.study.names import shown

Rule = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words and as a test."""


def require(options: object) -> None:
    """Raise `ValueError` in one line if an option has a wrong value."""
    for name, (rule, fits) in RULES.items():
        value = getattr(options, name)
        if not fits(value):
            raise ValueError(f"{name} must be {rule}; got {shown(value)}")


def require_known(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise `TypeError` in one line with the nearest names if there is no option of a name."""
    names = list(known)
    for name in given:
        if name not in names:
            near = ", ".join(difflib.get_close_matches(name, names, n=3, cutoff=0))
            raise TypeError(f"Options has no {name!r}; the nearest are: {near}")


def _at_least(least: int) -> Rule:
    def fits(value: Any) -> bool:
        return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least

    return f"at least {least}, an integer", fits


def _is_output(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("logit", "probability")
    return callable(value) and not isinstance(value, type)


RULES: Mapping[str, Rule] = {
    "seed": _at_least(0),
    "draws": _at_least(1),
    "batch_size": _at_least(1),
    "save_maps": ("true or false", lambda value: isinstance(value, bool)),
    "run_dir": (
        "a folder or None",
        lambda value: value is None or isinstance(value, str | os.PathLike),
    ),
    "preprocessing": ("a Preprocessing", lambda value: isinstance(value, Preprocessing)),
    "weights": (
        "what trains networks, e.g. a models.Trainer",
        lambda value: callable(value) and not isinstance(value, type),
    ),
    "output": ("logit, probability or a function of the model's output", _is_output),
}
"""By the name of the option."""
