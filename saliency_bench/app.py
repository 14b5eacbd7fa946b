"""The command line: compose a configuration, build what it names, run it.

With `request` and `settings`, the only module that knows Hydra.
"""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from saliency_bench import expected, process, settings
from saliency_bench.protocols import ProofError
from saliency_bench.request import RESULTS, Request, is_sweep, requested, run_dir
from saliency_bench.store import Store, read_json, write_json

if TYPE_CHECKING:
    from saliency_bench.models import LoadedModel
    from saliency_bench.protocols import Dataset, Networks
    from saliency_bench.results import Results

FINISHED, FAILED, REFUSED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
"""Exit statuses."""

WIDTH = 110
"""Columns of the table where there is no terminal to fit it to."""


class JobFailed(Exception):
    """A job of a sweep did not finish; a launcher brings it back from any process."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def main() -> int:
    """Run the command line; returns the exit status, the worst one of a sweep."""
    statuses: list[int] = []
    # It logs errors before it raises them.
    logging.getLogger("hydra").addHandler(logging.NullHandler())

    @hydra.main(version_base="1.3", config_path=settings.config_dir(), config_name="config")
    def job(config: DictConfig) -> None:
        statuses.append(run(config))
        if statuses[-1] != FINISHED and is_sweep():
            raise JobFailed(statuses[-1])

    try:
        # Hydra raises what it would otherwise print, often with a traceback.
        with process.variable("HYDRA_FULL_ERROR", "1"), process.terminable():
            job()
    except SystemExit as stop:
        return int(stop.code or FINISHED)
    except KeyboardInterrupt as stop:
        return TERMINATED if isinstance(stop, process.Terminated) else INTERRUPTED
    except JobFailed as failure:
        statuses.append(failure.status)
    except Exception as error:  # a wrong command line makes Hydra raise anything
        _tell(settings.misread(error))
        return REFUSED
    return max(statuses, default=FINISHED)


def run(config: DictConfig) -> int:
    """One job: build, run, report. Whatever went wrong is one line."""
    folder = run_dir(config)
    try:
        request = requested(config, folder)
        results = _finished(request) or _carry_out(request)
        _show(results, folder)
        return _status(results, config)
    except KeyboardInterrupt:
        _tell(f"interrupted; to go on: {_command(folder)}")
        raise
    except Exception as error:
        if HydraConfig.get().verbose:
            traceback.print_exc()
        _tell(settings.one_line(error) + _way_on(error, folder))
        return FAILED if isinstance(error, ProofError) else REFUSED


def _way_on(error: Exception, folder: Path) -> str:
    """What else to say of an error: cells that are saved stay, and a bug can be looked into."""
    missing = isinstance(error, FileNotFoundError)
    if isinstance(error, OSError) and not missing and (folder / "run.json").is_file():
        return f"; what is saved stays, to go on: {_command(folder)}"
    if not isinstance(error, settings.TELLING):
        return " (hydra.verbose=true shows where)"
    return ""


def _finished(request: Request) -> Results | None:
    """What the same request left in its folder, if it finished; needs no TensorFlow."""
    with _usable(request.folder):
        stored = read_json(request.folder / "run.json") or {}
    same = request.fingerprint is not None and stored.get("request") == request.fingerprint
    if not (same and stored["finished"]):
        return None
    from saliency_bench import report

    try:
        return report.read(request.folder)
    except ValueError:  # a table is gone: the cells give it back
        return None


def _carry_out(request: Request) -> Results:
    """Load, run and report; slow from here on."""
    config, folder = request.config, request.folder
    _begin(request)
    process.start_tensorflow(threads=compute_threads(config), deterministic=config.deterministic)
    from rich.console import Console

    from saliency_bench import study
    from saliency_bench.progress import Bar

    dataset, loaded, weights = loaded_parts(request)
    options = study.Options(
        seed=config.seed,
        draws=config.draws,
        target=config.target,
        batch_size=config.batch_size,
        run_dir=folder,
        save_maps=config.save_maps,
        preprocessing=dataset.preprocessing,
        weights=weights,
        output=request.output,
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
    threading = {"deterministic": config.deterministic, "threads": compute_threads(config)}
    built = replace(built, settings={**built.settings, **threading})
    bar = Bar(Console(stderr=True, soft_wrap=True, highlight=False, markup=False))
    results = study.run(built, Store(folder), options, progress=bar)
    facts = {
        "dataset": dataset.name,
        "model": loaded.name,
        "model_facts": dict(loaded.facts),
    }
    results = replace(results, provenance={**results.provenance, **facts})
    results.report(folder)
    # What an explainer failed of may be mended: the same command tries it again.
    _announce(request, finished=not results.provenance["failed"])
    return results


def loaded_parts(request: Request) -> tuple[Dataset, LoadedModel, Networks]:
    """The images to explain, the model that fits them, and others like it where checks ask."""
    from saliency_bench import models

    config = request.config
    retrains = any(check.anchor == "twins" for check in request.parts["check"].values())
    trains = retrains if request.model is None else request.model.trains
    dataset = request.dataset.load(train=trains)
    # A function's model is as finished as it comes where there is nothing to train it on.
    model = request.model or _function(config, trains=trains and dataset.train_labels is not None)
    if dataset.labels is None and config.target == "label":
        raise ValueError(f"target=label needs labels; {dataset.name} has none: target=predicted")
    cache = RESULTS / "cache"
    loaded, weights = models.with_others(model, dataset, seed=config.seed, cache=cache)
    if retrains and weights.regularizers:
        _tell(f"hinders learning random labels: {', '.join(weights.regularizers)}")
    if loaded.preprocessing is not None:
        dataset = replace(dataset, preprocessing=loaded.preprocessing)
    if len(dataset.pixels) < config.n_images:
        _tell(f"n_images={config.n_images}, but {dataset.name} has {len(dataset.pixels)}")
    return dataset.first(config.n_images), loaded, weights


def _function(config: DictConfig, *, trains: bool) -> Any:
    """What a user's own function gives: a finished model, or networks to be trained."""
    from saliency_bench import models

    build, training = settings.function(config.model, "model")
    if trains:
        return models.Function(build, training or models.Training())
    return settings.called(build, "model")


def _begin(request: Request) -> None:
    """Take the folder; the cells that lie there can be used, another request's figures cannot."""
    with _usable(request.folder):
        stored = read_json(request.folder / "run.json")
        if stored is not None and stored.get("request") != request.fingerprint:
            shutil.rmtree(request.folder / "figures", ignore_errors=True)
        _announce(request, finished=False)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"run_dir must be a folder that can be written; got {folder}: {error.strerror}"
        ) from error


def _announce(request: Request, *, finished: bool) -> None:
    """Write what runs here, so that the same command goes on or finds it finished."""
    write_json(
        request.folder / "run.json",
        {
            "request": request.fingerprint,
            "finished": finished,
            "command": _command(),
            "config": OmegaConf.to_container(request.config),
        },
    )


def _status(results: Results, config: DictConfig) -> int:
    surprises = list(expected.surprises(results, config.expected))
    for line in surprises:
        _tell(line)
    failed = surprises or results.provenance["failed"] or not results.valid
    return FAILED if failed else FINISHED


def _show(results: Results, folder: Path) -> None:
    from rich.console import Console

    from saliency_bench import report

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(report.verdict_table(results, width=console.width))
    console.print(f"report: {folder / 'report.md'}", soft_wrap=True, markup=False)


def compute_threads(config: DictConfig) -> int:
    """Compute threads; 0 leaves it to TensorFlow."""
    if config.threads is not None:
        return int(config.threads)
    return 1 if config.deterministic else 0


def _command(folder: Path | None = None) -> str:
    """The command line; with a folder, such that it goes on there."""
    arguments = sys.argv[1:]
    if folder is not None:
        base = folder.parent if is_sweep() else folder
        arguments = [a for a in arguments if not a.startswith("run_dir=")] + [f"run_dir={base}"]
    return shlex.join(["python", "-m", "saliency_bench", *arguments])


def _tell(line: str) -> None:
    print(f"saliency_bench: {line}", file=sys.stderr, flush=True)
