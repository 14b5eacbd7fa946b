"""Explainers, checks and similarities by their name in conf/, with the settings of that file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol, cast

from omegaconf import OmegaConf

from saliency_bench.protocols import Output, nearest


class Referred(Protocol):
    """Options of a study to which a file of conf/ may refer."""

    @property
    def draws(self) -> int:
        """Redraws per stage."""
        ...

    @property
    def output(self) -> Output:
        """The output under test."""
        ...


_OUTPUT = "output of the options"
"""Stands for an output that is no text, which a configuration cannot hold."""


def config_dir() -> str:
    """Folder of the configuration files: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parent / "conf")


def from_name(group: str, name: str, options: Referred) -> Any:
    """The object that a file of conf/ describes, as the command line makes it.

    Args:
        group: explainer, check, similarity or metric.
        name: of the file.
        options: of the study; a file may refer to its draws and its output.

    Raises:
        ValueError: in one line with the nearest names, if there is no such file.
    """
    path = Path(config_dir(), group, f"{name}.yaml")
    known = sorted(path.stem for path in path.parent.glob("*.yaml"))
    if name not in known:
        near = nearest(name.lower(), known)
        raise ValueError(f"{group} must be a name of conf/{group} ({near}); got {name[:80]!r}")
    return from_file(path, options)


def from_file(path: Path, options: Referred) -> Any:
    """The object that a file describes under its own name; `options` as in `from_name`."""
    referred = {"draws": options.draws, "output": _OUTPUT}
    config = OmegaConf.to_container(OmegaConf.merge(referred, OmegaConf.load(path)), resolve=True)
    return _built(cast(dict[str, Any], config)[path.stem], options)


def _built(node: Any, options: Referred) -> Any:
    """The object that a node's `_target_` describes; any other node with its objects built."""
    if isinstance(node, list):
        return [_built(part, options) for part in node]
    if not isinstance(node, dict):
        return options.output if node == _OUTPUT else node
    settings = {key: _built(value, options) for key, value in node.items()}
    module, _, kind = settings.pop("_target_", "").rpartition(".")
    return getattr(importlib.import_module(module), kind)(**settings) if module else settings
