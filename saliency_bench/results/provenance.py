"""What determined the numbers of a run: versions, seeds, hashes, the machine."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from saliency_bench.engine.outcome import Outcome
from saliency_bench.explainers import Mixture
from saliency_bench.inference import Evidence
from saliency_bench.protocols import SCHEMA_VERSION, Expectation, Study, TrainedNetwork, papers
from saliency_bench.protocols.command import program
from saliency_bench.protocols.labels import of_one_class
from saliency_bench.protocols.metrics import MetricFacts, tuning_of
from saliency_bench.storage.fingerprint import digest_of_array


def accuracies(networks: pd.DataFrame) -> dict[str, Any]:
    """Accuracy of the untouched network, and its mean under destroying conditions by check.

    Both are None without labels. A check that never destroys the network has no entry.
    """
    labelled = networks.dropna(subset="accuracy")
    if labelled.empty:
        return {"accuracy": None, "accuracy_destroyed": None}
    destroyed = labelled[labelled["destroyed"].astype(bool)].groupby("check")["accuracy"].mean()
    first = labelled[labelled["stage"] == 0]
    first = first.reindex(columns=["accuracy", "variables_changed"], fill_value=0)
    # A check may put another network at stage 0.
    unchanged = first[first["variables_changed"] == 0]
    untouched = unchanged if len(unchanged) else first
    return {
        "accuracy": float(untouched["accuracy"].mean()),
        "accuracy_destroyed": {str(check): float(mean) for check, mean in destroyed.items()},
    }


def of_study(study: Study) -> dict[str, Any]:
    """Everything that determined a study's numbers, as values for JSON."""
    return {
        "command": command(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "git": git_commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **study.settings,
        "seed": study.seed,
        "draws": study.draws,
        "target": study.target,
        "batch_size": study.batch_size,
        "n_images": len(study.scene),
        "images_hash": digest_of_array(study.scene.images),
        "targets_hash": digest_of_array(study.scene.targets),
        "weights_hash": study.network.fingerprint(),
        "schema": SCHEMA_VERSION,
        "doses": {n: e.share for n, e in study.explainers.items() if isinstance(e, Mixture)},
        "tested": tested(study.weights.trained.values()),
        "fine_tuned": fine_tuned(study),
        "notes": notes(study),
        "warnings": warnings(study),
        "explainers": {name: repr(e) for name, e in study.explainers.items()},
        "similarities": {name: repr(m) for name, m in study.all_measures.items()},
        "checks": {name: repr(c) for name, c in study.checks.items()},
        "metrics": {name: asdict(MetricFacts.of(m)) for name, m in study.metrics.items()},
        "metric_settings": {name: repr(m) for name, m in study.metrics.items()},
        "papers": cited(study),
    }


def cited(study: Study) -> dict[str, list[str]]:
    """Keys of the papers behind each part of a study that has some, by group and name."""
    groups = {
        "explainer": study.explainers,
        "similarity": study.all_measures,
        "check": study.checks,
        "metric": study.metrics,
    }
    parts = {f"{group}.{name}": p for group, named in groups.items() for name, p in named.items()}
    return {name: list(keys) for name, part in parts.items() if (keys := papers.keys_of(part))}


def tested(networks: Iterable[TrainedNetwork]) -> dict[str, float]:
    """The accuracy of guessing, `chance`, on the images that trained networks were tested on.

    These are all images to explain of the data set, of which a run may explain fewer. Empty without
    trained networks or labels.
    """
    chances = [network.chance for network in networks if not np.isnan(network.chance)]
    return {"chance": chances[0]} if chances else {}


def fine_tuned(study: Study) -> dict[str, Any]:
    """What the network lost and won by the fine-tuning that a metric asks for, by metric."""
    asked = {name: tuning_of(metric) for name, metric in study.metrics.items()}
    known = {name: study.tuner.tuned.get(own) for name, own in asked.items() if own is not None}
    return {
        name: {
            "weights_hash": own.network.fingerprint, "images": own.tested, "chance": own.chance,
            "accuracy": list(own.plain), "accuracy_changed": list(own.changed),
        }
        for name, own in known.items()
        if own is not None
    }  # fmt: skip


def notes(study: Study) -> list[str]:
    """Notes about the images for a reader of the verdicts."""
    if study.labels is None or not of_one_class(study.labels):
        return []
    return ["all explained images are of one class: accuracy is not compared with chance"]


def warnings(study: Study) -> list[str]:
    """What weakens the study, and the test with networks of random labels if there are any."""
    if all(name.fraction == 0 for name in study.weights.trained):
        return list(study.remarks)
    causes = {
        "memorizing random labels is hindered by": study.weights.regularizers,
        "all networks start alike, trained on true labels or not, in": study.weights.alike,
    }
    hindered = [f"{what}: {', '.join(names)}" for what, names in causes.items() if names]
    return [*study.remarks, *hindered]


def of_outcome(outcome: Outcome) -> dict[str, Any]:
    """What did not apply, what failed, which layers were taken, and which cells were damaged."""
    return {
        "not_applicable": outcome.refused,
        "checks_not_applicable": outcome.checks,
        "metrics_not_applicable": outcome.metrics,
        "failed": outcome.failed,
        "feature_maps": outcome.feature_maps,
        "damaged_cells": outcome.damaged,
    }


def of_evidence(evidence: Evidence) -> dict[str, Any]:
    """The inputs of inference other than the tables, from which conclusions can be repeated."""
    return {
        "expectations": {
            name: asdict(expectation) for name, expectation in evidence.expectations.items()
        },
        "thresholds": dict(evidence.thresholds),
        "signed": dict(evidence.signed),
        "controls": dict(evidence.controls),
        "chance": evidence.chance,
    }


def guards(expectations: Mapping[str, Expectation]) -> tuple[str, ...]:
    """The reasons why all verdicts of a check are undefined, a line each."""
    return tuple(f"{check}: {why}" for check, of in expectations.items() for why in of.guards)


def command() -> str:
    """How this process was started, without the path of its program."""
    path, *arguments = sys.argv
    name = program() if path.endswith("__main__.py") else Path(path).name
    return " ".join([name, *map(shlex.quote, arguments)])


def git_commit() -> str:
    """The commit of this checkout, marked if files differ from it; empty outside a checkout."""
    checkout = Path(__file__).parents[2]
    # An installed package has none; a repository around it would belong to its user.
    if not (checkout / ".git").exists():
        return ""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=checkout,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
