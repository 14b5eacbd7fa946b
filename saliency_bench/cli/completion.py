"""Completion in a shell: of the names of commands; Hydra completes the overrides of a run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from saliency_bench.cli.listing import GROUPS

LINE = "COMP_LINE"
"""Environment variable by which a shell gives the line to Hydra."""


def complete(run: str, commands: Sequence[str]) -> bool:
    """Print what of ours completes the line; return whether Hydra may know more.

    The name `run` is taken out of the line, as Hydra does not know it.

    Args:
        run: the command whose arguments are overrides.
        commands: names of the others.
    """
    program, *words = os.environ.get(LINE, "").split(" ")
    if len(words) < 2:
        _print([run, *commands], words)
        return True
    if words[0] == run:
        os.environ[LINE] = " ".join([program, *words[1:]])
    if words[0] == "list" and len(words) == 2:
        _print(GROUPS, words[1:])
    return words[0] not in commands


def _print(names: Iterable[str], words: Sequence[str]) -> None:
    begun = words[0] if words else ""
    for name in names:
        if name.startswith(begun):
            print(name)
