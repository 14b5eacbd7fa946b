"""One job of the command line: its run folder and its parts, except for slow ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from saliency_bench.cli import command_line, expected, objects
from saliency_bench.datasets import Function, Source
from saliency_bench.models import Model
from saliency_bench.protocols import Output, TargetMode
from saliency_bench.protocols.errors import known_names
from saliency_bench.storage.fingerprint import content_key, source_digest
from saliency_bench.storage.store import location

if TYPE_CHECKING:
    from saliency_bench.tracking import Tracker

RESULTS = Path("results")
"""Folder of runs without a `run_dir`, and of trained networks."""


@dataclass
class Report:
    """Content of a report; `images`: whether it shows images and maps, which may be private."""

    images: bool = True


@dataclass
class Schema:
    """The top-level keys and their types; Hydra refuses all others."""

    seed: int = 0
    run_dir: str | None = None
    target: str = "label"
    n_images: int = 64
    batch_size: int | None = None
    draws: int = 5
    deterministic: bool = True
    threads: int | None = None
    cores: int | None = None
    workers: int = 1
    plan: bool = False
    width: float = 0.1
    save_maps: bool = False
    report: Report = field(default_factory=Report)
    output: Any = "logit"
    dataset: Any = None
    model: Any = None
    check: dict[str, Any] = field(default_factory=dict)
    explainer: dict[str, Any] = field(default_factory=dict)
    similarity: dict[str, Any] = field(default_factory=dict)
    metric: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)
    tracker: Any = None


_DECISIVE = sorted(
    {f.name for f in fields(Schema)}
    - {"run_dir", "expected", "cores", "workers", "plan", "width", "tracker"}
)
"""Keys that decide the content of a run."""

_RANGES = {
    "seed": (0, 2**63 - 1),
    "n_images": (1, 2**31 - 1),
    "draws": (1, 10_000),
    "batch_size": (1, 2**31 - 1),
    "threads": (1, 1024),
    "cores": (1, 1024),
    "workers": (1, 256),
    "width": (0.001, 2.0),
}
"""Smallest and largest value of every number; a system may refuse to start more threads."""

ConfigStore.instance().store("schema", Schema)


@dataclass(frozen=True)
class Request:
    """One job: what to run and where.

    Attributes:
        config: the composed configuration.
        folder: the run folder.
        parts: explainers, similarities, metrics and checks: by group, then by name.
        dataset: the dataset's settings.
        output: the output to explain.
        model: the model's settings; None if its `_target_` builds the model itself.
        tracker: sends the finished run to a store; None: the run stays in its folder.
        fingerprint: hash of everything that decides the numbers, files included; None if it is
            unknown: the model is not built yet, a function has not returned its images yet, or the
            source of a `_target_` is missing.
    """

    config: DictConfig
    folder: Path
    parts: dict[str, dict[str, Any]]
    dataset: Any
    output: Output
    model: Any
    tracker: Tracker | None
    fingerprint: str | None


def compose(*overrides: str) -> DictConfig:
    """Compose the configuration of a command line without running it.

    Raises:
        ValueError: in one line, if an override is wrong.
    """
    try:
        with initialize_config_dir(objects.config_dir(), version_base="1.3"):
            return hydra_compose("config", overrides=list(overrides))
    except Exception as error:  # for a wrong command line Hydra may raise anything
        raise ValueError(command_line.describe(error, overrides)) from error


def run_dir(config: DictConfig) -> Path:
    """The run folder: one per job of a sweep; without a `run_dir`, named by the time."""
    runtime = HydraConfig.get()
    if is_sweep():
        base = runtime.sweep.dir if config.run_dir is None else config.run_dir
        return location(str(base)) / str(runtime.job.num)
    if config.run_dir is not None:
        return location(config.run_dir)
    experiment = runtime.runtime.choices.get("experiment", "adhoc")
    return RESULTS / str(experiment) / datetime.now().strftime("%Y%m%d-%H%M%S-%f")


def is_sweep() -> bool:
    """Whether this is a job of a sweep (`-m`)."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def read_request(config: DictConfig, folder: Path) -> Request:
    """Build the parts that are cheap, so that typing errors show within a second.

    Args:
        config: the composed configuration.
        folder: the run folder.

    Raises:
        ValueError: in one line, if the request is wrong.
        FileNotFoundError: if the request names a file that does not exist.
    """
    _check_top_level(config)
    parts = {group: objects.build_group(config, group) for group in objects.PICK_MANY}
    if not parts["check"] and not parts["metric"]:
        raise ValueError("check or metric must name at least one; got none")
    dataset = objects.dataset(config.get("dataset"))
    if not isinstance(dataset, Source):
        raise ValueError(f"dataset must have load() and fingerprint(); got {dataset!r}")
    output = objects.output(config.output, "output")
    tracker = _tracker(config.tracker)
    if not objects.holds_settings(config.get("model"), "model"):
        return Request(config, folder, parts, dataset, output, None, tracker, None)
    model = objects.build(config.model, "model")
    if not isinstance(model, Model):
        raise ValueError(f"model must have trains, load() and fingerprint(); got {model!r}")
    if isinstance(dataset, Function):  # the images may be others although its source is the same
        return Request(config, folder, parts, dataset, output, model, tracker, None)
    sources = list(_sources(OmegaConf.to_container(config, resolve=True)))
    if None in sources:
        return Request(config, folder, parts, dataset, output, model, tracker, None)
    identity = {
        "config": OmegaConf.to_yaml(OmegaConf.masked_copy(config, _DECISIVE)),
        "version": version("saliency-bench"),
        "files": [dataset.fingerprint(), model.fingerprint()],
        "sources": sources,
    }
    return Request(config, folder, parts, dataset, output, model, tracker, content_key(identity))


def _tracker(node: Any) -> Tracker | None:
    if node is None:
        return None
    from saliency_bench.tracking import Tracker

    tracker = objects.build(node, "tracker")
    if not isinstance(tracker, Tracker):
        raise ValueError(f"tracker must have log(results, folder); got {tracker!r}")
    return tracker


def _sources(node: Any) -> Iterator[str | None]:
    """Hash of the source of each class and function, not ours, that a configuration names."""
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if isinstance(target, str):
            # Hydra's get_method and get_class return the object that `path` names.
            is_getter = target.startswith("hydra.utils.get_")
            name = node.get("path", target) if is_getter else target
            yield source_digest(get_object(name))
        for value in node.values():
            yield from _sources(value)
    elif isinstance(node, list):
        for value in node:
            yield from _sources(value)


def _check_top_level(config: DictConfig) -> None:
    known = [f.name for f in fields(Schema)]
    for name in map(str, config.keys() - set(known)):
        raise ValueError(f"{name} is no setting; {known_names(name, known)}")
    for name, (least, most) in _RANGES.items():
        value = config[name]
        if value is not None and not value >= least:
            raise ValueError(f"{name} must be at least {least}; got {value}")
        if value is not None and value > most:
            raise ValueError(f"{name} must be at most {most}; got {value}")
    if config.target not in get_args(TargetMode):
        modes = ", ".join(get_args(TargetMode))
        raise ValueError(f"target must be one of {modes}; got {config.target!r}")
    if config.save_maps and not config.report.images:
        raise ValueError(
            "save_maps=true with report.images=false would write private images all the same: the "
            "raw map of an edge detector is the image; set one of them the other way, or hand on a "
            "copy: python -m saliency_bench.report RUN --no-images --out FOLDER"
        )
    expected.check(config.expected, config.check.keys())
