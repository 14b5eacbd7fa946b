"""Objects from a composed configuration: types are checked, errors are one line."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, get_type_hints

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from saliency_bench import datasets
from saliency_bench.cli.plain_types import fits, type_name
from saliency_bench.datasets import Source
from saliency_bench.datasets.content import as_value_error
from saliency_bench.protocols import Output, errors
from saliency_bench.study.vocabulary import config_dir as config_dir

PICK_MANY = ("check", "explainer", "metric", "similarity")
"""Groups that take a list of options; each option brings its own key."""

MAY_BE_EMPTY = ("check", "metric")
"""Those of which a run may have none; it needs a check or a metric."""

CLEAR_ERRORS = (*errors.SPEAKING, HydraException, OmegaConfBaseException)
"""Errors whose message is clear without the name of their class."""


def build_group(config: DictConfig, group: str) -> dict[str, Any]:
    """The objects chosen from a group of `PICK_MANY`, by name.

    A preset's settings of an option that is not chosen are dropped. The user's settings of such
    an option are an error, and so are settings of an option that does not exist.

    Raises:
        ValueError: if nothing is chosen of a group that must have something, or a setting belongs
            to no chosen option.
    """
    nodes = config.get(group) or {}
    chosen = {name: node for name, node in nodes.items() if _has_target(node)}
    if not chosen and group not in MAY_BE_EMPTY:
        raise ValueError(f"{group} must name at least one; got none")
    for name in nodes.keys() - chosen.keys():
        _check_leftover(group, name, ", ".join(chosen))
    return {name: build(node, f"{group}.{name}") for name, node in chosen.items()}


def build(node: Any, where: str) -> Any:
    """The object that a node's `_target_` describes.

    Args:
        node: of the configuration.
        where: its key, for messages.

    Raises:
        ValueError: in one line that starts with `where`, if it cannot be built.
    """
    with _name_key(where):
        _check_types(_plain(node), where)
        return instantiate(node, _convert_="all")


def output(value: Any, where: str) -> Output:
    """The output to explain: logit or probability by name, or what a node's `_target_` describes.

    Raises:
        ValueError: in one line that starts with `where`, if there is no such output.
    """
    if not fits(_plain(value) if isinstance(value, DictConfig) else value, Output):
        raise ValueError(f"{where} must be {type_name(Output)}; got {value!r}")
    chosen: Output = build(value, where) if isinstance(value, DictConfig) else value
    return chosen


def function(node: Any, where: str, kind: type) -> tuple[Callable[[], Any], dict[str, Any]]:
    """The function that a node's `_target_` names, with its arguments; and the settings beside it.

    Args:
        node: of the configuration.
        where: its key, for messages.
        kind: a dataclass that takes the function as `build`; what has the name of another of its
            fields is a setting, and no argument.

    Raises:
        ValueError: in one line that starts with `where`, if there is no such function, or a setting
            is of a wrong type.
    """
    own = {field.name for field in dataclasses.fields(kind)} - {"build"}
    with _name_key(where):
        plain = _plain(node)
        settings = {key: plain.pop(key) for key in list(plain) if key in own}
        _check_types(plain, where)
        _check_types({"_target_": f"{kind.__module__}.{kind.__qualname__}", **settings}, where)
        name = plain.pop("_target_")
        target = _import_object(name)
        if not callable(target):
            raise ValueError(f"_target_ must name a function or class; got {name}")
        arguments, built = (instantiate(part, _convert_="all") for part in (plain, settings))
        return partial(target, **arguments), dict(built)


def dataset(node: Any) -> Any:
    """The source of images that a node describes: its object, or what its function returns.

    Raises:
        ValueError: in one line, if there is none.
    """
    if not names_function(node, "dataset", Source):
        return build(node, "dataset")
    own, settings = function(node, "dataset", datasets.Function)
    with _name_key("dataset"):
        return datasets.Function(own, **settings)


def call(build: Callable[[], Any], where: str) -> Any:
    """What a user's function returns.

    Raises:
        ValueError: in one line that starts with `where`, if the function raises anything.
    """
    with as_value_error(where, one_line):
        return build()


def names_function(node: Any, where: str, kind: type) -> bool:
    """Whether a node's `_target_` is a function, or a class that is not of this kind.

    Raises:
        ValueError: in one line that starts with `where`, if the `_target_` does not exist.
    """
    with _name_key(where):
        target = _import_object(_plain(node)["_target_"])
        return callable(target) and not (isinstance(target, type) and issubclass(target, kind))


def holds_settings(node: Any, where: str) -> bool:
    """Whether a node's `_target_` is a dataclass of settings, as ours are, and not a function.

    Raises:
        ValueError: in one line that starts with `where`, if the `_target_` does not exist.
    """
    with _name_key(where):
        return dataclasses.is_dataclass(_import_object(_plain(node)["_target_"]))


@contextmanager
def _name_key(where: str) -> Iterator[None]:
    """Turn errors of a request into a `ValueError` in one line that starts with the key `where`.

    Unlike `as_value_error`, it lets other errors pass: they are bugs.
    """
    try:
        yield
    except InstantiationException as error:
        raise ValueError(f"{where}: {one_line(error.__cause__ or error)}") from error
    except MissingMandatoryValue as error:
        raise ValueError(f"{error.full_key} must be given; it has no default") from error
    except (ValueError, TypeError, ImportError, OmegaConfBaseException, SystemExit) as error:
        text = one_line(error)
        raise ValueError(text if text.startswith(where) else f"{where}: {text}") from error


def one_line(error: BaseException) -> str:
    """An error's message in one line, also for errors of Hydra and OmegaConf."""
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return errors.one_line(error)
    # OmegaConf appends lines about its internals.
    message = first_line(error) if isinstance(error, OmegaConfBaseException) else str(error)
    return errors.shortened(errors.in_one_line(message) or f"{type(error).__name__}: ")


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return str(error).partition("\n")[0].rstrip(".:")


def _has_target(node: Any) -> bool:
    return isinstance(node, DictConfig) and "_target_" in node


def _check_leftover(group: str, name: str, chosen: str) -> None:
    """Raise unless a preset, not the user, set an option that exists and is not chosen."""
    if not HydraConfig.initialized():  # without a command line every setting is the user's
        raise ValueError(f"{group}.{name} is set but not chosen; chosen are: {chosen}")
    given = HydraConfig.get().overrides
    prefixes = (f"{group}.{name}.", f"{group}.{name}=")
    if any(override.lstrip("+~").startswith(prefixes) for override in given.task):
        raise ValueError(f"{group}.{name} is set but not chosen; chosen are: {chosen}")
    options = GlobalHydra.instance().config_loader().get_group_options(
        group, config_name="config", overrides=list(given.hydra)
    )  # fmt: skip
    if name not in options:
        nearest = errors.known_names(name, options)
        raise ValueError(f"{group}.{name} is set but unknown; {nearest}")


def _plain(node: Any) -> Any:
    if not _has_target(node):
        raise ValueError(f"must name by _target_ what to build; got {node}")
    return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)


def _import_object(target: Any) -> Any:
    if not isinstance(target, str) or not target:
        raise ValueError(f"_target_ must be the dotted name of a class or function; got {target!r}")
    try:
        return get_object(target)
    except ImportError as error:
        module, _, name = target.rpartition(".")
        known = [n for n in dir(sys.modules.get(module)) if n[0] != "_"]
        hint = f"; {errors.known_names(name, known)}" if module in sys.modules else ""
        raise ValueError(f"{errors.one_line(error)}{hint}") from error


def _check_types(plain: Any, where: str) -> None:
    """Raise if a setting is unknown to the dataclass that a node describes, or of a wrong type."""
    if not isinstance(plain, Mapping):
        return
    for key, value in plain.items():
        _check_types(value, f"{where}.{key}")
    target = _import_object(plain["_target_"]) if "_target_" in plain else None
    if target is None or not dataclasses.is_dataclass(target):
        return
    hints = get_type_hints(target)
    allowed = [f.name for f in dataclasses.fields(target) if f.init]
    for key, value in plain.items():
        if key in {"_target_", "_convert_", "_recursive_"}:
            continue
        if key not in allowed:
            raise ValueError(f"{where}.{key} is no setting; {errors.known_names(key, allowed)}")
        if not fits(value, hints[key]):
            raise ValueError(f"{where}.{key} must be {type_name(hints[key])}; got {value!r}")
