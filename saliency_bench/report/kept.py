"""Remembers what was read from a run: its tables never change, and several parts ask the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from saliency_bench.results import Results

Asked = ParamSpec("Asked")
Found = TypeVar("Found")


def kept(
    function: Callable[Concatenate[Results, Asked], Found],
) -> Callable[Concatenate[Results, Asked], Found]:
    """A function of a run that computes each answer once; nobody may change an answer."""

    @wraps(function)
    def asked(results: Results, /, *args: Asked.args, **kwargs: Asked.kwargs) -> Found:
        key = (function.__name__, *args, *kwargs.items())
        if key not in results.kept:
            results.kept[key] = function(results, *args, **kwargs)
        found: Found = results.kept[key]
        return found

    return cast("Callable[Concatenate[Results, Asked], Found]", asked)
