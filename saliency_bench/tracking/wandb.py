"""Weights & Biases: a run that is written to disk, or sent to its server."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from saliency_bench.results import Results
from saliency_bench.tracking import tracker


@dataclass(frozen=True)
class WeightsAndBiases:
    """Sends a run to Weights & Biases: settings, numbers as a summary, table, pictures and page.

    By default nothing leaves the machine: `wandb sync FOLDER` uploads the run later.

    Attributes:
        project: of the run.
        run: name of the run; None: that of its folder.
        mode: "offline" writes to disk, "online" sends it.
        folder: where its files are written; None: `wandb` in the working directory.

    Raises:
        ValueError: if wandb is not installed, or there is no such mode.
    """

    project: str = "saliency_bench"
    run: str | None = None
    mode: Literal["offline", "online"] = "offline"
    folder: str | None = None

    def __post_init__(self) -> None:
        tracker.require("wandb", "Weights & Biases", "wandb")
        if self.mode not in ("offline", "online"):
            raise ValueError(f"mode must be offline or online; got {self.mode!r}")

    def log(self, results: Results, folder: Path | None = None) -> str:
        """Send a run; returns where its files are. See `Tracker.log`."""
        with tracker.report_of(results, folder) as report, tracker.reaching("Weights & Biases"):
            import wandb

            if self.folder is not None:
                Path(self.folder).mkdir(parents=True, exist_ok=True)
            run = wandb.init(
                project=self.project,
                name=self.run or (None if folder is None else folder.name),
                mode=self.mode,
                dir=self.folder,
                config=tracker.settings(results),
                notes=tracker.state(results),
                settings=wandb.Settings(silent=True, console="off", disable_git=True),
                reinit="create_new",
            )
            try:
                _send(wandb, run, results, report)
            except BaseException:
                run.finish(exit_code=1)
                raise
            run.finish()
        where = Path(run.dir).parent
        if self.mode == "online":
            return f"project {self.project} of Weights & Biases, run {run.id}"
        return f"{where} (to upload it: wandb sync {where})"


def _send(wandb: Any, run: Any, results: Results, report: Path) -> None:
    run.summary.update(tracker.numbers(results))
    page = (report / "report.html").read_text(encoding="utf-8")
    shown: dict[str, Any] = {"verdicts": wandb.Table(dataframe=tracker.verdicts(results))}
    shown["report"] = wandb.Html(page, inject=False)
    shown |= {f"figures/{p.stem}": wandb.Image(str(p)) for p in tracker.figures(report)}
    run.log(shown)
    for path, place in tracker.files(report):
        # A copy, as a link would point to a report that may be gone when the run is uploaded.
        own = Path(run.dir, place, path.name)
        own.parent.mkdir(exist_ok=True)
        shutil.copy(path, own)
        run.save(str(own), base_path=run.dir, policy="now")
