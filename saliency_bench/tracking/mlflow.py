"""MLflow: a run of a tracking server, or of a local store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from saliency_bench.results import Results
from saliency_bench.tracking import tracker

AT_ONCE = 500
"""Most numbers in one request; MLflow refuses more than 1000."""

LONGEST = 6000
"""Most characters of a setting in MLflow."""

T = TypeVar("T")


@dataclass(frozen=True)
class MLflow:
    """Sends a run to MLflow: settings as parameters, numbers as metrics, the rest as artifacts.

    The table of verdicts is `verdicts.json`, which MLflow's own page shows as a table. Names of
    metrics are those of `tracking.tracker.numbers`.

    Attributes:
        uri: of the tracking store, such as `http://host:5000` or `sqlite:///mlflow.db`; None: what
            MLflow is set to (`MLFLOW_TRACKING_URI`).
        experiment: is created if there is none of that name.
        run: name of the run; None: that of its folder.

    Raises:
        ValueError: if MLflow is not installed.
    """

    uri: str | None = None
    experiment: str = "saliency_bench"
    run: str | None = None

    def __post_init__(self) -> None:
        tracker.require("mlflow", "MLflow", "mlflow")

    def log(self, results: Results, folder: Path | None = None) -> str:
        """Send a run; returns its experiment and id. See `Tracker.log`."""
        with tracker.report_of(results, folder) as report, tracker.reaching("MLflow"):
            from mlflow.tracking import MlflowClient

            client = MlflowClient(tracking_uri=self.uri)
            tags = {"saliency_bench.state": tracker.state(results)}
            name = self.run or (None if folder is None else folder.name)
            run = client.create_run(self._experiment(client), run_name=name, tags=tags)
            number = run.info.run_id
            try:
                _send(client, number, results, report)
            except BaseException:
                client.set_terminated(number, "FAILED")
                raise
            client.set_terminated(number)
        return f"experiment {self.experiment} of MLflow, run {number}"

    def _experiment(self, client: Any) -> str:
        known = client.get_experiment_by_name(self.experiment)
        return str(known.experiment_id if known else client.create_experiment(self.experiment))


def _send(client: Any, run: str, results: Results, report: Path) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    asked = [Param(name, text[:LONGEST]) for name, text in tracker.settings(results).items()]
    client.log_batch(run, params=asked)
    found = [Metric(_name(n), v, now, 0) for n, v in tracker.numbers(results).items()]
    for part in _parts(found):
        client.log_batch(run, metrics=part)
    client.log_table(run, tracker.verdicts(results), "verdicts.json")
    for path, place in tracker.files(report):
        client.log_artifact(run, str(path), place or None)


def _name(name: str) -> str:
    """A name as MLflow allows it."""
    return re.sub(r"[^\w.:/ -]", "_", name, flags=re.ASCII)


def _parts(things: Sequence[T]) -> Iterator[Sequence[T]]:
    return (things[start : start + AT_ONCE] for start in range(0, len(things), AT_ONCE))
