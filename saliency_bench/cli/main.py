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
    home, here = multirun.Home(), False
    # It logs errors before it raises them.
    logging.getLogger("hydra").addHandler(logging.NullHandler())

    @hydra.main(version_base="1.3", config_path=objects.config_dir(), config_name="config")
    def one(config: DictConfig) -> multirun.Ended | None:
        nonlocal here
        if multirun.is_apart():
            return multirun.run(job.run, config, home)
        here = True
        statuses.append(job.run(config))
        return None

    def arrived(ended: multirun.Ended) -> None:
        statuses.append(ended.status)
        if ended.line is not None:
            tell(ended.line)

    try:
        # Hydra raises what it would otherwise print, often with a traceback.
        full = process.variable("HYDRA_FULL_ERROR", "1")
        with full, process.terminable(), multirun.ended_by_signal(), multirun.listening(arrived):
            one()
    except SystemExit as stop:
        return int(stop.code or job.FINISHED)
    except KeyboardInterrupt as stop:
        if not here:  # else the job said so
            tell(f"interrupted; {home.way_on()}")
        return job.TERMINATED if isinstance(stop, process.Terminated) else job.INTERRUPTED
    except Exception as error:  # a wrong command line makes Hydra raise anything
        if multirun.lost_a_worker(error):
            what = objects.one_line(error).partition(". ")[0]
            tell(f"the launcher lost a worker: {what}; {home.way_on()}")
            return job.FAILED
        tell(objects.misread(error))
        return job.REFUSED
    return max(statuses, default=job.FINISHED)
