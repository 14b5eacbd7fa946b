"""The command line: compose a configuration, build what it names, run it.

With `settings`, the only module that knows Hydra.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from saliency_bench import settings
from saliency_bench.protocols import ProofError, TargetMode
from saliency_bench.store import Store, content_key, read_json, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from saliency_bench.results import Results

FINISHED, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses."""

RESULTS = Path("results")


@dataclass
class Schema:
    """The top-level keys and their types; anything else is refused at composition."""

    seed: int = 0
    run_dir: str | None = None
    target: str = "label"
    n_images: int = 64
    batch_size: int = 32
    draws: int = 5
    deterministic: bool = True
    threads: int | None = None
    save_maps: bool = False
    dataset: Any = None
    model: Any = None
    check: dict[str, Any] = field(default_factory=dict)
    explainer: dict[str, Any] = field(default_factory=dict)
    similarity: dict[str, Any] = field(default_factory=dict)


_DECISIVE = sorted({f.name for f in fields(Schema)} - {"run_dir"})
"""Keys that decide what a run holds."""

ConfigStore.instance().store("schema", Schema)


@dataclass(frozen=True)
class Request:
    """One job: what to run and where.

    Attributes:
        config: the composed configuration.
        folder: the run folder.
        parts: explainers, similarities and checks by group.
        dataset: the dataset's settings.
        model: the model's settings; None if its `_target_` builds the model itself.
        fingerprint: hash of everything that decides the numbers, files included.
    """

    config: DictConfig
    folder: Path
    parts: dict[str, dict[str, Any]]
    dataset: Any
    model: Any
    fingerprint: str


def config_dir() -> str:
    """Where the vocabulary lies: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parent / "conf")


def main() -> int:
    """Run the command line; returns the exit status, the worst one of a sweep."""
    sys.path.insert(0, os.getcwd())
    statuses: list[int] = []

    @hydra.main(version_base="1.3", config_path=config_dir(), config_name="config")
    def job(config: DictConfig) -> int:
        statuses.append(run(config))
        return statuses[-1]

    try:
        job()
    except SystemExit as stop:
        return REFUSED if stop.code else FINISHED
    except KeyboardInterrupt:
        return INTERRUPTED
    return max(statuses, default=FINISHED)


def run(config: DictConfig) -> int:
    """One job: build, run, report. Whatever the user can mend is one line and status 2."""
    from rich.console import Console

    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    folder = _run_dir(config)
    try:
        request = _request(config, folder)
        stored = read_json(folder / "run.json") or {}
        if stored.get("finished") and stored["request"] == request.fingerprint:
            from saliency_bench import report

            _show(report.read(folder), folder)
            return int(stored["status"])
        return _carry_out(request, errors)
    except ProofError as error:
        errors.print(f"saliency_bench: the run proves nothing: {_line(error)}")
        return FAILED
    except KeyboardInterrupt:
        errors.print(f"interrupted; to go on: {_command()} run_dir={shlex.quote(str(folder))}")
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError) as error:
        errors.print(f"saliency_bench: {_line(error)}")
        return REFUSED


def _run_dir(config: DictConfig) -> Path:
    runtime = HydraConfig.get()
    sweep = runtime.mode == RunMode.MULTIRUN
    if config.run_dir is not None:
        folder = Path(config.run_dir)
        return folder / str(runtime.job.num) if sweep else folder
    if sweep:
        return Path(runtime.sweep.dir) / str(runtime.job.num)
    experiment = runtime.runtime.choices.get("experiment", "adhoc")
    return RESULTS / str(experiment) / datetime.now().strftime("%Y%m%d-%H%M%S-%f")


def _request(config: DictConfig, folder: Path) -> Request:
    """Build what is cheap, so that typing errors show within a second."""
    for name in ("n_images", "draws", "batch_size", "threads"):
        if config[name] is not None and config[name] < 1:
            raise ValueError(f"{name} must be at least 1; got {config[name]}")
    if config.target not in get_args(TargetMode):
        raise ValueError(
            f"target must be one of {', '.join(get_args(TargetMode))}; got {config.target!r}"
        )
    overrides = tuple(HydraConfig.get().overrides.task)
    parts = {group: settings.picked(config, group, overrides) for group in settings.PICK_MANY}
    dataset = settings.built(config.dataset, "dataset")
    model = settings.built(config.model, "model") if _is_described(config.model) else None
    identity = {
        "config": OmegaConf.to_yaml(OmegaConf.masked_copy(config, [*_DECISIVE])),
        "version": version("saliency-bench"),
        "files": [part.fingerprint() for part in (dataset, model) if part is not None],
    }
    return Request(config, folder, parts, dataset, model, content_key(identity))


def _is_described(node: DictConfig) -> bool:
    """Whether a model's `_target_` is a class of settings, as ours; not a function that builds."""
    target = get_object(node._target_)
    return isinstance(target, type) and callable(getattr(target, "fingerprint", None))


def _carry_out(request: Request, errors: Console) -> int:
    """Load, run and report; slow from here on."""
    config, folder = request.config, request.folder
    _announce(request, finished=False, status=None)
    with _quiet_start():
        _start_tensorflow(config)
        from saliency_bench import models, study
        from saliency_bench.progress import Bar

    model = request.model or settings.built(config.model, "model")
    dataset = request.dataset.load(train=models.trains(model))
    loaded = models.as_loaded(model, dataset, seed=config.seed, cache=RESULTS / "cache")
    if loaded.preprocessing is not None:
        dataset = replace(dataset, preprocessing=loaded.preprocessing)
    if len(dataset.pixels) < config.n_images:
        errors.print(f"n_images={config.n_images}: {dataset.name} has {len(dataset.pixels)}")
    dataset = dataset.first(config.n_images)
    if dataset.labels is None and config.target == "label":
        raise ValueError(f"target=label needs labels; {dataset.name} has none: target=predicted")
    options = study.Options(
        seed=config.seed,
        draws=config.draws,
        target=config.target,
        batch_size=config.batch_size,
        run_dir=folder,
        save_maps=config.save_maps,
        preprocessing=dataset.preprocessing,
    )
    built = study.build(
        loaded.model,
        dataset.images,
        dataset.labels,
        explainers=request.parts["explainer"],
        checks=request.parts["check"],
        similarities=request.parts["similarity"],
        options=options,
    )
    threading = {"deterministic": config.deterministic, "threads": _threads(config)}
    built = replace(built, settings={**built.settings, **threading})
    results = study.run(built, Store(folder), options, progress=Bar(errors))
    facts = {"dataset": dataset.name, "model": loaded.name, "model_facts": dict(loaded.facts)}
    results = replace(results, provenance={**results.provenance, **facts})
    results.report(folder)
    status = FINISHED if results.valid and not results.provenance["failed"] else FAILED
    _announce(request, finished=True, status=status)
    _show(results, folder)
    return status


def _announce(request: Request, *, finished: bool, status: int | None) -> None:
    """Write what runs here, so that the same command goes on or finds it finished."""
    write_json(
        request.folder / "run.json",
        {
            "request": request.fingerprint,
            "finished": finished,
            "status": status,
            "command": _command(),
            "config": OmegaConf.to_container(request.config),
        },
    )


def _show(results: Results, folder: Path) -> None:
    from rich.console import Console

    from saliency_bench import report

    console = Console(highlight=False)
    console.print(report.verdict_table(results))
    console.print(f"report: {folder / 'report.md'}", soft_wrap=True, markup=False)


def _threads(config: DictConfig) -> int:
    """Compute threads; 0 leaves it to TensorFlow."""
    if config.threads is not None:
        return int(config.threads)
    return 1 if config.deterministic else 0


def _start_tensorflow(config: DictConfig) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(_threads(config))
    tf.config.threading.set_inter_op_parallelism_threads(_threads(config))
    if config.deterministic and tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep what TensorFlow's libraries print while they start off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _command() -> str:
    return shlex.join(["python", "-m", "saliency_bench", *sys.argv[1:]])


def _line(error: BaseException) -> str:
    """An error's message in one line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
