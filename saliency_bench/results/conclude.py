"""Results from the evidence of a run, and the evidence from stored results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from saliency_bench import inference
from saliency_bench.protocols import Expectation
from saliency_bench.protocols.metrics import MetricFacts
from saliency_bench.results import TRAININGS, Examples, Results, provenance
from saliency_bench.results.assessed import by_key
from saliency_bench.storage.longtable import LongTable

_NEEDED = ("expectations", "signed", "thresholds", "chance", "controls")
"""Facts that verdicts rest on."""


def conclude(
    evidence: inference.Evidence,
    facts: Mapping[str, Any],
    *,
    examples: Examples | None = None,
    trainings: pd.DataFrame | None = None,
    assessed: tuple[LongTable, LongTable] | None = None,
) -> Results:
    """Draw the conclusions from the evidence: summary, verdicts and more.

    Args:
        evidence: of a run, or of several runs of one study.
        facts: what determined the numbers.
        examples: maps for the figures.
        trainings: how the networks learned.
        assessed: the tables `metrics` and `curves`; None without metrics.
    """
    summary = inference.summarize(evidence)
    verdicts = inference.judge(evidence, summary)
    facts = {
        **facts,
        **provenance.of_evidence(evidence),
        **provenance.accuracies(evidence.networks),
        "false_verdicts": inference.false_verdicts(verdicts, evidence.controls),
    }
    values, curves = assessed or (None, None)
    quality = _quality(values, facts)
    facts["warnings"] = [*facts.get("warnings", ()), *quality.warnings]
    facts["metric_agreement"] = {name: list(own) for name, own in quality.agreement.items()}
    no_trainings = pd.DataFrame(columns=list(TRAININGS))
    return Results(
        evidence.scores, evidence.floors, evidence.networks, summary, verdicts, facts,
        examples=examples,
        trainings=no_trainings if trainings is None else trainings,
        reliability=inference.reliability(evidence, summary, verdicts),
        problems=(*inference.problems(verdicts), *quality.problems),
        guards=provenance.guards(evidence.expectations),
        long_metrics=values, long_curves=curves, quality=quality.table,
        ranks=quality.ranks,
    )  # fmt: skip


def quality_of(results: Results) -> inference.Quality:
    """What the metrics of a stored run say, judged again from their values."""
    return _quality(results.long_metrics, results.provenance)


def _quality(values: LongTable | None, facts: Mapping[str, Any]) -> inference.Quality:
    if values is None:
        return inference.Quality(
            pd.DataFrame(columns=list(inference.QUALITY)),
            pd.DataFrame(columns=list(inference.RANKS)),
        )
    metrics = {name: MetricFacts.read(own) for name, own in facts["metrics"].items()}
    return inference.assess(by_key(values), metrics, facts["controls"])


def evidence_of(results: Results) -> inference.Evidence:
    """The evidence of a stored run.

    Raises:
        ValueError: if its provenance lacks a part because an older version wrote it.
    """
    facts = results.provenance
    if lacking := [name for name in _NEEDED if name not in facts]:
        raise ValueError(
            f"it lacks {', '.join(lacking)} in provenance.json: an older version made it, the "
            "same command brings it up to date"
        )
    return inference.Evidence(
        results.long_scores,
        results.long_floors,
        results.networks,
        expectations={
            name: Expectation.read(expectation)
            for name, expectation in facts["expectations"].items()
        },
        signed=facts["signed"],
        thresholds=facts["thresholds"],
        chance=facts["chance"],
        controls=facts["controls"],
    )
