"""What is wrong with a command line, and what would be right, in one line."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn, get_type_hints

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    OmegaConfBaseException,
    ValidationError,
)

from saliency_bench.cli.objects import PICK_MANY, config_dir, first_line, one_line
from saliency_bench.cli.plain_types import type_name
from saliency_bench.protocols.errors import known_names

_LONG = 100
"""Characters of Hydra's own words that are too many beside ours."""


@dataclass(frozen=True)
class Flags:
    """What the flags of a command line ask for.

    Attributes:
        sweeps: whether it asks for several jobs.
        runs: whether it asks for jobs at all, and not for help or the configuration.
        completes: whether a shell asks how a line goes on.
        overrides: the rest of the command line.
    """

    sweeps: bool = False
    runs: bool = False
    completes: bool = False
    overrides: tuple[str, ...] = ()


def flags(arguments: Sequence[str]) -> Flags:
    """Read the flags of a command line.

    Raises:
        ValueError: in one line, if one is unknown.
        SystemExit: after `--version`.
    """
    hydras = get_args_parser()
    parser = ArgumentParser(parents=[hydras], add_help=False, conflict_handler="resolve")
    parser.add_argument("--version", action="version", version=versions())
    parser.error = _refuse  # type: ignore[method-assign]
    found = parser.parse_args(arguments)
    shown = (found.help, found.hydra_help, found.cfg, found.info, found.shell_completion)
    overrides = tuple(found.overrides)
    completes = found.shell_completion and overrides[:1] and overrides[0].startswith("query=")
    return Flags(found.multirun, not any(shown), bool(completes), overrides)


def versions() -> str:
    """Our version, and those of what networks run on as far as they are installed."""
    beside = []
    for package in ("keras", "tensorflow"):
        with suppress(PackageNotFoundError):
            beside.append(f"{package} {version(package)}")
    own = f"saliency_bench {version('saliency-bench')}"
    return f"{own} ({', '.join(beside)})" if beside else own


def _refuse(message: str) -> NoReturn:
    raise ValueError(f"{message}; flags go before all overrides, --hydra-help shows them")


def describe(error: BaseException, overrides: Sequence[str]) -> str:
    """Describe what Hydra raised for a command line.

    Args:
        error: that was raised.
        overrides: of the command line.
    """
    text = one_line(error).partition(" Config search path:")[0]
    if isinstance(error, OverrideParseException):
        return _unreadable(error, text.partition(" See https:")[0])
    if isinstance(error, MissingConfigException):
        return _missing_option(error, text)
    cause = error.__cause__
    if isinstance(cause, ValidationError) and cause.object_type is not None:
        return _wrong_kind(cause, text)
    if isinstance(cause, OmegaConfBaseException):
        return _unknown_key(cause, text=f"{first_line(error)}: {one_line(cause)}")
    return next(_no_options(overrides), text)


def _unreadable(error: OverrideParseException, text: str) -> str:
    # For an unknown letter or sign Hydra's parser gives its position only.
    why = "" if text.startswith("LexerNoViableAlt") or len(text) > _LONG else f" ({text})"
    return (
        f"override {error.override!r} cannot be read; a value with letters beyond a to z or with "
        f"signs needs quotes within the shell's: \"key='value'\"{why}"
    )


def _missing_option(error: MissingConfigException, text: str) -> str:
    """A group has no such option; Hydra does not list those of a group that takes a list."""
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    known = error.options or _options(group)
    return f"{group} has no option {name}; {known_names(name, known)}" if known else text


def _options(group: str) -> list[str]:
    conf = Path(config_dir())
    return sorted(path.stem for path in conf.rglob("*.yaml") if path.parent == conf / group != conf)


def _wrong_kind(cause: ValidationError, text: str) -> str:
    hint = get_type_hints(cause.object_type).get(str(cause.key), object)
    if isinstance(hint, type) and hint not in (int, float, str, bool):
        return f"{text}: {one_line(cause)}"
    return f"{cause.full_key} must be {type_name(hint)}; got {cause.value!r}"


def _unknown_key(cause: OmegaConfBaseException, text: str) -> str:
    if not isinstance(cause, ConfigAttributeError | ConfigKeyError) or cause.parent_node is None:
        return text
    keys = [str(key) for key in cause.parent_node if key not in ("_target_", "hydra")]
    if not keys:
        return f"{cause.full_key} is no setting; +{cause.full_key}=... adds it"
    return f"{cause.full_key} is no setting; {known_names(cause.key, keys)}"


def _no_options(overrides: Sequence[str]) -> Iterator[str]:
    """A line for each override that chooses from a group by something else than names."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        group, value = override.key_or_group, override.value()
        names = value if isinstance(value, list) else [value]
        known = [] if override.is_delete() else _options(group)
        if known and not all(isinstance(name, str) for name in names):
            many = " or a list of names" if group in PICK_MANY else ""
            got = str(override.input_line).partition("=")[2]
            yield f"{group} must be a name{many}; got {got}; {known_names(got, known)}"
