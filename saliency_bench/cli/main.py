"""The command line: compose a configuration, build what it names, run it.

Only this folder knows Hydra.
"""

from __future__ import annotations

import logging

import hydra
from omegaconf import DictConfig

from saliency_bench.cli import job, multirun, objects, process
from saliency_bench.cli.load import tell


def main() -> int:
    """Run the command line; returns the exit status, the worst one of a sweep."""
    statuses: list[int] = []
    owner, here = multirun.SweepOwner(), False
    # It logs errors before it raises them.
    logging.getLogger("hydra").addHandler(logging.NullHandler())

    @hydra.main(version_base="1.3", config_path=objects.config_dir(), config_name="config")
    def one(config: DictConfig) -> multirun.JobEnd | None:
        nonlocal here
        if multirun.has_own_process():
            return multirun.run(job.run, config, owner)
        here = True
        statuses.append(job.run(config))
        return None

    def receive(end: multirun.JobEnd) -> None:
        statuses.append(end.status)
        if end.line is not None:
            tell(end.line)

    try:
        # Hydra raises what it would otherwise print, often with a traceback.
        full = process.variable("HYDRA_FULL_ERROR", "1")
        with full, process.terminable(), multirun.sigterm_as_interrupt(), multirun.listen(receive):
            one()
    except SystemExit as stop:
        return int(stop.code or job.FINISHED)
    except KeyboardInterrupt as stop:
        if not here:  # else the job said so
            tell(f"interrupted; {owner.resume_hint()}")
        return job.TERMINATED if isinstance(stop, process.Terminated) else job.INTERRUPTED
    except Exception as error:  # a wrong command line makes Hydra raise anything
        if multirun.is_lost_worker(error):
            what = objects.one_line(error).partition(". ")[0]
            tell(f"the launcher lost a worker: {what}; {owner.resume_hint()}")
            return job.FAILED
        tell(objects.describe_command_error(error))
        return job.REFUSED
    return max(statuses, default=job.FINISHED)
