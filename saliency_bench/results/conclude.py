"""From the evidence of a run to what it found; and the evidence, from what was found and stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from saliency_bench import inference
from saliency_bench.protocols import Expectation
from saliency_bench.results import TRAININGS, Examples, Results, provenance


def conclude(
    evidence: inference.Evidence,
    facts: Mapping[str, Any],
    *,
    examples: Examples | None = None,
    trainings: pd.DataFrame | None = None,
) -> Results:
    """Summary, verdicts and what else follows from the evidence.

    Args:
        evidence: of a run, or of several of one study.
        facts: what decided the numbers.
        examples: maps for the figures.
        trainings: how the networks learned.
    """
    summary = inference.summarize(evidence)
    verdicts = inference.judge(evidence, summary)
    known = {
        **provenance.of_evidence(evidence),
        **provenance.accuracies(evidence.networks),
        "false_verdicts": inference.false_verdicts(verdicts, evidence.controls),
    }
    nothing = pd.DataFrame(columns=list(TRAININGS))
    return Results(
        evidence.scores, evidence.floors, evidence.networks, summary, verdicts, {**facts, **known},
        examples=examples,
        trainings=nothing if trainings is None else trainings,
        problems=inference.problems(verdicts),
        guards=provenance.guards(evidence.expectations),
    )  # fmt: skip


def evidence_of(results: Results) -> inference.Evidence:
    """What a stored run rests on.

    Raises:
        KeyError: if its provenance does not say so: it is of an older version.
    """
    facts = results.provenance
    return inference.Evidence(
        results.long_scores,
        results.long_floors,
        results.networks,
        expectations={name: Expectation.read(told) for name, told in facts["expectations"].items()},
        signed=facts["signed"],
        thresholds=facts["thresholds"],
        chance=facts["chance"],
        controls=facts["controls"],
    )
