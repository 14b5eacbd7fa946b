"""The entry point of `python -m saliency_bench`: composes the configuration and runs each job."""

from __future__ import annotations

import logging

import hydra
from omegaconf import DictConfig

from saliency_bench.cli import job, multirun, objects, process
from saliency_bench.cli.load import tell
from saliency_bench.protocols import Exit


def main() -> int:
    """Run the command line; return the exit status, of a sweep the worst one."""
    statuses: list[int] = []
    owner, ran_here = multirun.SweepOwner(), False
    # Without a handler Hydra prints errors before it raises them.
    logging.getLogger("hydra").addHandler(logging.NullHandler())

    @hydra.main(version_base="1.3", config_path=objects.config_dir(), config_name="config")
    def run_one(config: DictConfig) -> multirun.JobEnd | None:
        nonlocal ran_here
        if multirun.has_own_process():
            return multirun.run(job.run, config, owner)
        ran_here = True
        statuses.append(job.run(config))
        return None

    def receive(end: multirun.JobEnd) -> None:
        statuses.append(end.status)
        if end.line is not None:
            tell(end.line)

    try:
        # With it Hydra raises errors that it would otherwise print, often with a traceback.
        full = process.variable("HYDRA_FULL_ERROR", "1")
        with full, process.terminable(), multirun.sigterm_as_interrupt(), multirun.listen(receive):
            run_one()
    except SystemExit as stop:
        return int(stop.code or Exit.FINISHED)
    except KeyboardInterrupt as stop:
        if not ran_here:  # else the job has printed it
            tell(f"interrupted; {owner.resume_hint()}")
        terminated = isinstance(stop, process.Terminated)
        return Exit.TERMINATED if terminated else Exit.INTERRUPTED
    except Exception as error:  # for a wrong command line Hydra may raise anything
        if multirun.is_lost_worker(error):
            reason = objects.one_line(error).partition(". ")[0]
            tell(f"the launcher lost a worker: {reason}; {owner.resume_hint()}")
            return Exit.FAILED
        tell(objects.describe_command_error(error))
        return Exit.REFUSED
    return max(statuses, default=Exit.FINISHED)
