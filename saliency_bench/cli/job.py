"""One job of the command line: build, run and report; an error is printed in one line."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from saliency_bench.cli import expected, load, objects
from saliency_bench.cli.load import tell
from saliency_bench.cli.request import Request, is_sweep, read_request, run_dir
from saliency_bench.protocols import Exit, ProofError, command, interrupts
from saliency_bench.storage import json_rules
from saliency_bench.storage.store import Store, read_json, remove_folder, write_json

if TYPE_CHECKING:
    from saliency_bench.engine import MapsToSave
    from saliency_bench.results import Results


def run(config: DictConfig) -> int:
    """Build, run and report one job; return its exit status. An error is printed in one line."""
    try:
        folder = run_dir(config)
    except ValueError as error:
        tell(objects.one_line(error))
        return Exit.REFUSED
    try:
        with interrupts.kept():
            return _run(config, folder)
    except KeyboardInterrupt:
        interrupts.mute()
        tell(f"interrupted; to go on: {command_of_this_process(folder)}")
        raise
    except (Exception, SystemExit) as error:
        if HydraConfig.get().verbose:
            traceback.print_exc()
        tell(objects.one_line(error) + _advice(error, folder))
        return Exit.FAILED if isinstance(error, ProofError) else Exit.REFUSED


def _run(config: DictConfig, folder: Path) -> int:
    request = read_request(config, folder)
    if config.plan:
        return _plan(request)
    results = _stored_results(request) or _compute_results(request)
    _show(results, folder)
    if request.tracker is not None:
        tell(f"tracked: {request.tracker.log(results, folder)}")
    return _status(results, config)


def _advice(error: BaseException, folder: Path) -> str:
    """What to do after an error: resume the run, or show where a bug is."""
    missing = isinstance(error, FileNotFoundError)
    stopped = isinstance(error, OSError | MemoryError) and not missing
    if stopped and (folder / "run.json").is_file():
        return f"; saved cells stay, to go on: {command_of_this_process(folder)}"
    if not isinstance(error, objects.CLEAR_ERRORS):
        return " (hydra.verbose=true shows where)"
    return ""


def _plan(request: Request) -> int:
    """Print the remaining work and its cost; nothing is trained or written."""
    config = request.config
    with TemporaryDirectory() as rehearsal:
        job = load.load(request, Path(rehearsal))
        from saliency_bench.cli.estimate import costs
        from saliency_bench.report.text.console import stdout_console
        from saliency_bench.study.compute import make_plan
        from saliency_bench.study.estimate import forecast
        from saliency_bench.study.run import variance_components

        plan = make_plan(job.study)
        store = Store(request.folder)
        expected_cost = forecast(job.study, store, plan.steps, workers=config.workers)
        variances = variance_components(job.study, request.folder)
    stdout_console().print(costs(expected_cost, variances, config.width))
    return Exit.FINISHED


def _stored_results(request: Request) -> Results | None:
    """The results of the same request in its folder, if it finished; starts no TensorFlow."""
    stored = _read_run_file(request.folder) or {}
    same = request.fingerprint is not None and stored.get("request") == request.fingerprint
    if not (same and stored["finished"]):
        return None
    from saliency_bench.results.read import read

    try:
        results = read(request.folder)
    except ValueError:  # a table is missing: it is made again from the cells
        return None
    # Results of an older version lack entries and are made again, too.
    return results if "signed" in results.provenance else None


def _compute_results(request: Request) -> Results:
    """Load, run and report: the slow part of a job."""
    _prepare_folder(request)
    job = load.load(request)

    from saliency_bench.cli import workers
    from saliency_bench.report.write import write
    from saliency_bench.study import progress
    from saliency_bench.study.run import run_study

    results = run_study(
        job.study,
        Store(request.folder),
        preprocessing=job.preprocessing,
        classes=job.classes,
        facts=job.facts,
        maps_to_save=_maps_to_save(request),
        progress=progress.on_console(progress.stderr_console()),
        beside=workers.helpers(partial(join, request), request.config.workers - 1),
        workers=request.config.workers,
    )
    write(results, request.folder, processes=load.compute_cores(request.config))
    # The cause of a failed explainer may be removed: then the same command tries it again.
    _write_run_file(request, finished=not results.provenance["failed"])
    return results


def join(request: Request, place: float) -> None:
    """Compute missing cells of a run beside the process that started it.

    Args:
        request: the job.
        place: where in the plan this process begins, a share in [0, 1).
    """
    job = load.load(request)
    from saliency_bench.protocols import Silent
    from saliency_bench.study.compute import compute, make_plan

    store, maps_to_save = Store(request.folder), _maps_to_save(request)
    plan = make_plan(job.study)
    compute(job.study, store, plan, Silent(), maps_to_save=maps_to_save, place=place)


def _maps_to_save(request: Request) -> MapsToSave:
    from saliency_bench.engine import MapsToSave

    return MapsToSave(maps=request.config.save_maps, examples=request.config.report.images)


def _prepare_folder(request: Request) -> None:
    """Reserve the run folder; its cells can be used again, another request's figures cannot."""
    stored = _read_run_file(request.folder)
    with _name_folder(request.folder):
        if stored is not None and stored.get("request") != request.fingerprint:
            remove_folder(request.folder / "figures")
        _write_run_file(request, finished=False)


@contextmanager
def _name_folder(folder: Path) -> Iterator[None]:
    """Turn an `OSError` into a `ValueError` in one line that names the folder."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"run_dir must be a folder that can be written; got {folder}: {error.strerror}"
        ) from error


_RUN_FILE = json_rules.record(
    {"request": json_rules.optional(json_rules.text), "finished": json_rules.flag}, {}
)
"""What run.json holds; other entries are for people."""


def _read_run_file(folder: Path) -> dict[str, Any] | None:
    """The content of run.json; None if there is none."""
    with _name_folder(folder):
        try:
            return read_json(folder / "run.json", _RUN_FILE)
        except ValueError as error:
            how = "delete it and run the same command again: whole cells are kept"
            raise ValueError(f"{error}; {how}") from None


def _write_run_file(request: Request, *, finished: bool) -> None:
    """Write run.json: by it the same command resumes the run, or recognises it as finished."""
    write_json(
        request.folder / "run.json",
        {
            "request": request.fingerprint,
            "finished": finished,
            "command": command_of_this_process(),
            "config": OmegaConf.to_container(request.config),
        },
    )


def _status(results: Results, config: DictConfig) -> int:
    """The exit status; prints a line for each unexpected result."""
    surprises = list(expected.surprises(results, config.expected))
    for line in surprises:
        tell(line)
    failed = surprises or results.provenance["failed"] or not results.valid
    return Exit.FAILED if failed else Exit.FINISHED


def _show(results: Results, folder: Path) -> None:
    from saliency_bench.report.text.console import stdout_console
    from saliency_bench.report.text.console import tell as console_line
    from saliency_bench.report.text.terminal import verdict_table

    console = stdout_console()
    console.print(verdict_table(results, width=console.width))
    console_line(console, f"report: {folder / 'report.html'}")


def command_of_this_process(folder: Path | None = None) -> str:
    """The command line of this process; with a folder, the one that resumes the run there."""
    arguments = sys.argv[1:]
    if folder is not None:
        base = folder.parent if is_sweep() else folder
        arguments = [a for a in arguments if not a.startswith("run_dir=")] + [f"run_dir={base}"]
    return " ".join([command.program(), *map(shlex.quote, arguments)])
