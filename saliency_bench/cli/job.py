"""One job of the command line: build, run, report, and say in one line whatever went wrong."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from saliency_bench.cli import expected, load, objects
from saliency_bench.cli.load import tell
from saliency_bench.cli.request import Request, is_sweep, read_request, run_dir
from saliency_bench.protocols import ProofError
from saliency_bench.storage.store import Store, read_json, remove_folder, write_json

if TYPE_CHECKING:
    from saliency_bench.engine import MapsToSave
    from saliency_bench.results import Results

FINISHED, FAILED, REFUSED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
"""Exit statuses."""

WIDTH = 110
"""Columns of the table where there is no terminal to fit it to."""


def run(config: DictConfig) -> int:
    """One job: build, run, report. Whatever went wrong is one line."""
    try:
        folder = run_dir(config)
    except ValueError as error:
        tell(objects.one_line(error))
        return REFUSED
    try:
        request = read_request(config, folder)
        if config.plan:
            return _plan(request)
        results = _finished(request) or _carry_out(request)
        _show(results, folder)
        return _status(results, config)
    except KeyboardInterrupt:
        tell(f"interrupted; to go on: {_command(folder)}")
        raise
    except Exception as error:
        if HydraConfig.get().verbose:
            traceback.print_exc()
        tell(objects.one_line(error) + _way_on(error, folder))
        return FAILED if isinstance(error, ProofError) else REFUSED


def _way_on(error: Exception, folder: Path) -> str:
    """What else to say of an error: cells that are saved stay, and a bug can be looked into."""
    missing = isinstance(error, FileNotFoundError)
    if isinstance(error, OSError) and not missing and (folder / "run.json").is_file():
        return f"; what is saved stays, to go on: {_command(folder)}"
    if not isinstance(error, objects.TELLING):
        return " (hydra.verbose=true shows where)"
    return ""


def _plan(request: Request) -> int:
    """Say what is left to do and what it would take; nothing is written but trained networks."""
    job = load.load(request)
    from rich.console import Console

    from saliency_bench.cli.estimate import costs
    from saliency_bench.study.compute import planned
    from saliency_bench.study.estimate import forecast
    from saliency_bench.study.run import spread

    config = request.config
    steps, _ = planned(job.study)
    found = forecast(job.study, Store(request.folder), steps, workers=config.workers)
    known = spread(job.study, request.folder)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(costs(found, known, config.width))
    return FINISHED


def _finished(request: Request) -> Results | None:
    """What the same request left in its folder, if it finished; needs no TensorFlow."""
    with _usable(request.folder):
        stored = read_json(request.folder / "run.json") or {}
    same = request.fingerprint is not None and stored.get("request") == request.fingerprint
    if not (same and stored["finished"]):
        return None
    from saliency_bench.results.read import read

    try:
        results = read(request.folder)
    except ValueError:  # a table is gone: the cells give it back
        return None
    # What an older version left out is found anew, too.
    return results if "signed" in results.provenance else None


def _carry_out(request: Request) -> Results:
    """Load, run and report; slow from here on."""
    _begin(request)
    job = load.load(request)

    from saliency_bench.cli import workers
    from saliency_bench.cli.progress import Bar
    from saliency_bench.study.run import run_study

    bar = Bar(load.progress_console())
    results = run_study(
        job.study,
        Store(request.folder),
        preprocessing=job.preprocessing,
        maps_to_save=_maps_to_save(request),
        progress=bar,
        beside=workers.helpers(partial(join, request), request.config.workers - 1),
    )
    results = replace(results, provenance={**results.provenance, **job.facts})
    results.report(request.folder)
    # What an explainer failed of may be mended: the same command tries it again.
    _announce(request, finished=not results.provenance["failed"])
    return results


def join(request: Request, place: float) -> None:
    """Compute cells of a run that another process is at, and no more."""
    job = load.load(request)
    from saliency_bench.protocols import Silent
    from saliency_bench.study.compute import compute, planned

    steps, _ = planned(job.study)
    store, maps_to_save = Store(request.folder), _maps_to_save(request)
    compute(job.study, store, steps, Silent(), maps_to_save=maps_to_save, place=place)


def _maps_to_save(request: Request) -> MapsToSave:
    from saliency_bench.engine import MapsToSave

    return MapsToSave(maps=request.config.save_maps, examples=request.config.report.images)


def _begin(request: Request) -> None:
    """Take the folder; the cells that lie there can be used, another request's figures cannot."""
    with _usable(request.folder):
        stored = read_json(request.folder / "run.json")
        if stored is not None and stored.get("request") != request.fingerprint:
            remove_folder(request.folder / "figures")
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
        tell(line)
    failed = surprises or results.provenance["failed"] or not results.valid
    return FAILED if failed else FINISHED


def _show(results: Results, folder: Path) -> None:
    from rich.console import Console

    from saliency_bench.report.text.terminal import verdict_table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(verdict_table(results, width=console.width))
    console.print(f"report: {folder / 'report.html'}", soft_wrap=True, markup=False)


def _command(folder: Path | None = None) -> str:
    """The command line; with a folder, such that it goes on there."""
    arguments = sys.argv[1:]
    if folder is not None:
        base = folder.parent if is_sweep() else folder
        arguments = [a for a in arguments if not a.startswith("run_dir=")] + [f"run_dir={base}"]
    return shlex.join(["python", "-m", "saliency_bench", *arguments])
