"""The command that is meant where none is named: composes the configuration, runs each job."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import hydra
from omegaconf import DictConfig

from saliency_bench.cli import command_line, completion, job, multirun, objects, process
from saliency_bench.cli.load import tell
from saliency_bench.protocols import Exit, interrupts
from saliency_bench.protocols.errors import shortened


def main(run: str = "run", commands: Sequence[str] = ()) -> int:
    """Run the command line; return the exit status, of a sweep the worst one.

    Args:
        run: name of this command.
        commands: names of the others, for the completion in a shell.
    """
    command = _Command(lambda: completion.complete(run, commands))
    try:
        command.run()
    except SystemExit as stop:  # from Hydra, once it has shown what was asked for
        return int(stop.code or Exit.FINISHED)
    except KeyboardInterrupt as stop:
        if not command.ran_here:  # else the job has printed it
            tell(f"interrupted; {command.way_on()}")
        return interrupts.status_of(stop)
    except Exception as error:  # for a wrong command line Hydra may raise anything
        if multirun.is_lost_worker(error):
            reason = objects.one_line(error).partition(". ")[0]
            tell(f"the launcher lost a worker: {reason}; {command.owner.resume_hint()}")
            return Exit.FAILED
        tell(shortened(command_line.describe(error, command.flags.overrides)))
        return Exit.REFUSED
    return max(command.statuses, default=Exit.FINISHED)


@dataclass
class _Command:
    """A command line, and what has become of its jobs.

    Attributes:
        complete: answers a shell that asks how a line goes on; returns whether Hydra may know more.
        owner: this process.
        flags: of the command line.
        statuses: of the jobs that have ended.
        ran_here: whether a job has begun in this process.
    """

    complete: Callable[[], bool]
    owner: multirun.SweepOwner = field(default_factory=multirun.SweepOwner)
    flags: command_line.Flags = field(default_factory=command_line.Flags)
    statuses: list[int] = field(default_factory=list)
    ran_here: bool = False

    def run(self) -> None:
        """Compose the configuration and run the jobs.

        Raises:
            ValueError: in one line, if there is no job to run.
        """
        # Without a handler Hydra prints errors before it raises them.
        logging.getLogger("hydra").addHandler(logging.NullHandler())
        compose = hydra.main(
            version_base="1.3", config_path=objects.config_dir(), config_name="config"
        )
        # With it Hydra raises errors that it would otherwise print, often with a traceback.
        full = process.variable("HYDRA_FULL_ERROR", "1")
        with (
            interrupts.raised(), interrupts.kept(), full,
            multirun.sigterm_as_interrupt(), multirun.listen(self._receive),
        ):  # fmt: skip
            self.flags = command_line.flags(sys.argv[1:])
            if not self.flags.completes or self.complete():
                compose(self._run_job)()
        if self.flags.runs and not self.statuses:
            wanted = " ".join(self.flags.overrides)
            raise ValueError(f"a sweep must have at least one job; there is none in {wanted}")

    def way_on(self) -> str:
        """How to go on after an interrupt that no job has met."""
        if self.flags.sweeps:
            return self.owner.resume_hint()
        return f"to go on: {job.command_of_this_process()}"

    def _run_job(self, config: DictConfig) -> multirun.JobEnd | None:
        if multirun.has_own_process():
            return multirun.run(job.run, config, self.owner)
        self.ran_here = True
        self.statuses.append(job.run(config))
        return None

    def _receive(self, end: multirun.JobEnd) -> None:
        self.statuses.append(end.status)
        if end.line is not None:
            tell(end.line)
