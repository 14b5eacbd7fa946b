"""`--help`: the page of conf/config.yaml, shown without composing a configuration."""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, cast

from omegaconf import OmegaConf

from saliency_bench.protocols import Exit, command, printable
from saliency_bench.study.vocabulary import config_dir


def folders(arguments: Sequence[str]) -> list[Path] | None:
    """The folders of options that the page lists, ours first.

    Returns:
        None if a command line does not ask for the page, or has what only Hydra understands.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-cd", "--config-dir", type=Path)
    try:
        found, rest = parser.parse_known_args(arguments)
    except ArgumentError:
        return None
    own = [found.config_dir] if found.config_dir else []
    if not found.help or not all(map(Path.is_dir, own)):
        return None
    further = any(part.startswith(("-", "hydra.")) for part in rest)
    return None if further else [Path(config_dir()), *own]


def show(listed: Sequence[Path]) -> int:
    """Print the page; returns the exit status.

    Args:
        listed: what `folders` returned.
    """
    config = cast(Any, OmegaConf.load(listed[0] / "config.yaml"))
    page = Template(config.hydra.help.template).substitute(APP_CONFIG_GROUPS=_groups(listed))
    command.print_any_letter()
    print(page)
    return Exit.FINISHED


def _groups(listed: Sequence[Path]) -> str:
    """A line for each group of the configuration, with its options."""
    names: dict[str, set[str]] = {}
    for path in (path for folder in listed for path in folder.glob("*/*.yaml")):
        names.setdefault(path.parent.name, set()).add(path.stem)
    return "".join(
        printable(f"{group}: {', '.join(sorted(names[group]))}") + "\n" for group in sorted(names)
    )
