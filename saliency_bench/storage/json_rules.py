"""Rules for values that were read from JSON: each names the first value that breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial

Rule = Callable[[str, object], None]
"""Raises `ValueError` unless a value, given after its name, is what it must be."""

LARGEST = 1.7e308
"""Largest size of a number: beyond it lies infinity."""

DEEPEST = 20
"""Most levels of lists and objects in one another."""

_SHOWN = 40
"""Letters of a name or a value that are quoted."""


def text(name: str, value: object) -> None:
    """Text, empty or not."""
    require(isinstance(value, str), name, "text", value)


def flag(name: str, value: object) -> None:
    """True or false."""
    require(isinstance(value, bool), name, "true or false", value)


def number(
    name: str, value: object, *, least: float = -LARGEST, most: float = LARGEST, what: str = ""
) -> None:
    """A finite number.

    Args:
        name: of the value.
        value: the value.
        least: the smallest one that is allowed.
        most: the largest one that is allowed.
        what: the rule in words; default: a finite number.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = isinstance(value, int | float) and is_number and least <= value <= most
    require(fits, name, what or "a finite number", value)


share: Rule = partial(number, least=0, most=1, what="a number from 0 to 1")


def whole(name: str, value: object) -> None:
    """A whole number from 0 on."""
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    require(fits, name, "a whole number from 0 on", value)


def plain(name: str, value: object) -> None:
    """Anything, but not too deep in lists and objects."""
    waiting = [(value, 0)]
    while waiting:
        inner, depth = waiting.pop()
        require(depth <= DEEPEST, name, f"at most {DEEPEST} levels deep", inner)
        if isinstance(inner, list | dict):
            parts = inner.values() if isinstance(inner, dict) else inner
            waiting += [(part, depth + 1) for part in parts]


def one_of(*words: str) -> Rule:
    """One of some words."""

    def rule(name: str, value: object) -> None:
        require(value in words, name, f"one of {', '.join(words)}", value)

    return rule


def optional(inner: Rule) -> Rule:
    """What another rule asks for, or null."""

    def rule(name: str, value: object) -> None:
        if value is not None:
            inner(name, value)

    return rule


def list_of(inner: Rule) -> Rule:
    """A list whose entries all keep a rule."""

    def rule(name: str, value: object) -> None:
        if not isinstance(value, list):
            return require(False, name, "a list", value)
        for place, entry in enumerate(value):
            inner(f"{name}[{place}]", entry)

    return rule


def tuple_of(*inner: Rule) -> Rule:
    """A list with as many entries as rules, each with a rule of its own."""

    def rule(name: str, value: object) -> None:
        if not isinstance(value, list) or len(value) != len(inner):
            return require(False, name, f"a list of {len(inner)} entries", value)
        for place, (entry, its) in enumerate(zip(value, inner, strict=True)):
            its(f"{name}[{place}]", entry)

    return rule


def mapping_of(inner: Rule) -> Rule:
    """An object with any names, whose values all keep a rule."""

    def rule(name: str, value: object) -> None:
        if not isinstance(value, dict):
            return require(False, name, "an object", value)
        for key, entry in value.items():
            inner(_joined(name, key), entry)

    return rule


def record(
    needed: Mapping[str, Rule], known: Mapping[str, Rule], others: Rule | None = plain
) -> Rule:
    """An object with a rule for each of its names.

    Args:
        needed: entries that it must have.
        known: entries that it may have.
        others: rule of all further entries; None: there must be none.
    """

    def rule(name: str, value: object) -> None:
        if not isinstance(value, dict):
            return require(False, name, "an object", value)
        for key in needed.keys() - value.keys():
            raise ValueError(f"{_joined(name, key)} must be given; it is missing")
        for key, entry in value.items():
            its = needed.get(key) or known.get(key) or others
            if its is None:
                raise ValueError(f"{_joined(name, key)} is an entry that no version writes")
            its(_joined(name, key), entry)

    return rule


def require(fits: bool, name: str, what: str, value: object) -> None:
    """Raise `ValueError` unless a value fits; the message names it, the rule and the value."""
    if not fits:
        shown = value if isinstance(value, list | dict) else json.dumps(value, default=str)
        raise ValueError(f"{name} must be {what}; got {_short(str(shown))}")


def _joined(name: str, key: str) -> str:
    return ".".join(filter(None, (name, _short(key))))


def _short(words: str) -> str:
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."
