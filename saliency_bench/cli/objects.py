"""From a composed configuration to objects: checked types, one-line errors."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from saliency_bench.protocols import Explainer, Output, ProofError, TargetOutput

PICK_MANY = ("check", "explainer", "similarity")
"""Groups of which any number may be chosen; each option holds its own key."""

TELLING = (
    ValueError, TypeError, OSError, ImportError, ProofError, HydraException, OmegaConfBaseException,
)  # fmt: skip
"""Errors whose message says enough without their name."""


def config_dir() -> str:
    """Where the vocabulary lies: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parent / "conf")


def build_group(config: DictConfig, group: str) -> dict[str, Any]:
    """The objects chosen from a pick-many group, by name.

    What a preset sets of a thing that was then deselected is dropped; what the user sets of one
    is a mistake, and so are settings of what does not exist.

    Raises:
        ValueError: if nothing was chosen, or a setting belongs to nothing that was.
    """
    nodes = config.get(group) or {}
    chosen = {name: node for name, node in nodes.items() if _is_described(node)}
    if not chosen:
        raise ValueError(f"{group} must name at least one; got none")
    for name in nodes.keys() - chosen.keys():
        _check_leftover(group, name, ", ".join(chosen))
    return {name: build(node, f"{group}.{name}") for name, node in chosen.items()}


def build(node: Any, where: str) -> Any:
    """The object a node's `_target_` describes.

    Raises:
        ValueError: in one line that starts with `where`, whatever went wrong.
    """
    with _told(where):
        _check_types(_plain(node), where)
        return instantiate(node, _convert_="all")


def output(value: Any, where: str) -> Output:
    """What is explained: one of the usual outputs by name, or what a node's `_target_` describes.

    Raises:
        ValueError: in one line that starts with `where`, if there is no such output.
    """
    if not _fits(_plain(value) if isinstance(value, DictConfig) else value, Output):
        raise ValueError(f"{where} must be {_words(Output)}; got {value!r}")
    named: Output = build(value, where) if isinstance(value, DictConfig) else value
    return named


def function(node: Any, where: str) -> tuple[Callable[[], Any], Any]:
    """The function a node's `_target_` names, with its arguments, and the node's own `training`.

    Raises:
        ValueError: in one line that starts with `where`, if there is no such function.
    """
    with _told(where):
        plain = _plain(node)
        _check_types(plain, where)
        training = plain.pop("training", None)
        named = _object(plain.pop("_target_"))
        arguments = instantiate(plain, _convert_="all")
        return partial(named, **arguments), training and instantiate(training, _convert_="all")


def call(build: Callable[[], Any], where: str) -> Any:
    """What a function returns.

    Raises:
        ValueError: in one line that starts with `where`, whatever it raises.
    """
    try:
        return build()
    except Exception as error:  # a function of the user's may raise anything
        raise ValueError(f"{where}: {one_line(error)}") from error


def holds_settings(node: Any, where: str) -> bool:
    """Whether a node's `_target_` is a dataclass of settings, as ours; not a function that builds.

    Raises:
        ValueError: in one line that starts with `where`, if there is no such thing.
    """
    with _told(where):
        return dataclasses.is_dataclass(_object(_plain(node)["_target_"]))


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Whatever goes wrong is a `ValueError` in one line that starts with `where`."""
    try:
        yield
    except InstantiationException as error:
        raise ValueError(f"{where}: {one_line(error.__cause__ or error)}") from error
    except MissingMandatoryValue as error:
        raise ValueError(f"{error.full_key} must be given; it has no default") from error
    except (ValueError, TypeError, ImportError, OmegaConfBaseException) as error:
        text = one_line(error)
        raise ValueError(text if text.startswith(where) else f"{where}: {text}") from error


def one_line(error: BaseException) -> str:
    """An error's message in one line."""
    # OmegaConf appends lines about its own insides.
    whole = _first_line(error) if isinstance(error, OmegaConfBaseException) else str(error)
    text = " ".join(whole.split())
    return text if text and isinstance(error, TELLING) else f"{type(error).__name__}: {text}"


def describe_command_error(error: BaseException) -> str:
    """In one line what is wrong with a command line, and what would be right."""
    text = one_line(error).partition(" Config search path:")[0]
    if isinstance(error, OverrideParseException):
        return _unparsed(error, text.partition(" See https:")[0])
    if isinstance(error, MissingConfigException) and error.options is None:
        # Of a list of options Hydra does not tell those that there are.
        return f"{text.rstrip('.')}{_options_beside(error.missing_cfg_file or '')}"
    cause = error.__cause__
    if not isinstance(cause, OmegaConfBaseException):
        return text
    text = f"{_first_line(error)}: {one_line(cause)}"
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.parent_node is not None:
        keys = [str(key) for key in cause.parent_node if key not in ("_target_", "hydra")]
        text += f"; there are: {', '.join(keys)}" if keys else f"; +{cause.full_key}=... adds it"
    return text


def _unparsed(error: OverrideParseException, text: str) -> str:
    # Of a letter or sign it does not know, Hydra's parser says only where it stands.
    why = "" if text.startswith("LexerNoViableAlt") else f" ({text})"
    return (
        f"override {error.override!r} cannot be read; a value with letters beyond a to z or with "
        f"signs needs quotes within the shell's: \"key='value'\"{why}"
    )


def _options_beside(option: str) -> str:
    group = option.rpartition("/")[0]
    known = sorted(path.stem for path in Path(config_dir(), group).glob("*.yaml"))
    return f"; there are: {', '.join(known)}" if group and known else ""


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".:")


def _is_described(node: Any) -> bool:
    return isinstance(node, DictConfig) and "_target_" in node


def _check_leftover(group: str, name: str, chosen: str) -> None:
    """Raise unless a preset set something of what exists but was deselected."""
    if not HydraConfig.initialized():  # composed without a command line: there is but the user
        raise ValueError(f"{group}.{name} is set but was not chosen; chosen are: {chosen}")
    given = HydraConfig.get().overrides
    prefixes = (f"{group}.{name}.", f"{group}.{name}=")
    if any(override.lstrip("+~").startswith(prefixes) for override in given.task):
        raise ValueError(f"{group}.{name} is set but was not chosen; chosen are: {chosen}")
    options = GlobalHydra.instance().config_loader().get_group_options(
        group, config_name="config", overrides=list(given.hydra)
    )  # fmt: skip
    if name not in options:
        raise ValueError(f"{group}.{name} is set but unknown; there are: {', '.join(options)}")


def _plain(node: Any) -> Any:
    if not _is_described(node):
        raise ValueError(f"must say by _target_ what is to be built; got {node}")
    return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)


def _object(target: Any) -> Any:
    if not isinstance(target, str) or not target:
        raise ValueError(f"_target_ must be the dotted name of a class or function; got {target!r}")
    return get_object(target)


def _check_types(plain: Any, where: str) -> None:
    """Raise if a setting is unknown to the dataclass that a node describes, or of a wrong type."""
    if not isinstance(plain, Mapping):
        return
    for key, value in plain.items():
        _check_types(value, f"{where}.{key}")
    target = _object(plain["_target_"]) if "_target_" in plain else None
    if target is None or not dataclasses.is_dataclass(target):
        return
    hints = get_type_hints(target)
    allowed = [f.name for f in dataclasses.fields(target) if f.init]
    for key, value in plain.items():
        if key in {"_target_", "_convert_", "_recursive_"}:
            continue
        if key not in allowed:
            raise ValueError(f"{where}.{key} is no setting; there are: {', '.join(allowed)}")
        if not _fits(value, hints[key]):
            raise ValueError(f"{where}.{key} must be {_words(hints[key])}; got {value!r}")


def _is_number(value: Any) -> bool:
    """Also an integer may be too large to be a number: one of 400 digits is."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


_PLAIN: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("an integer", lambda value: _is_number(value) and isinstance(value, int)),
    float: ("a finite number", _is_number),
    str: ("a text", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    type(None): ("null", lambda value: value is None),
}
"""How a message calls the types of plain values, and what they hold."""


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value can be one of a type; types that plain values cannot show pass."""
    return any(_fits_one(value, option) for option in _alternatives(hint))


def _fits_one(value: Any, hint: Any) -> bool:
    if hint in _PLAIN:
        return _PLAIN[hint][1](value)
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    inner = get_args(hint) or (Any,)
    if get_origin(hint) is Sequence:
        return isinstance(value, list) and all(_fits(element, inner[0]) for element in value)
    if get_origin(hint) is Mapping:
        return isinstance(value, Mapping) and all(_fits(v, inner[-1]) for v in value.values())
    if dataclasses.is_dataclass(hint) or hint in (Explainer, TargetOutput):
        return isinstance(value, Mapping) and "_target_" in value
    return True


def _words(hint: Any) -> str:
    return " or ".join(_word(option) for option in _alternatives(hint))


def _word(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint][0]
    inner = get_args(hint) or (Any,)
    if get_origin(hint) is Sequence:
        return f"a list ({_words(inner[0])} each)"
    if get_origin(hint) is Mapping:
        return "a mapping"
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    return f"described by a _target_ ({getattr(hint, '__name__', hint)})"
