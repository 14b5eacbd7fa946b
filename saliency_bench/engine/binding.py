"""Explainers, bound to the model of a study."""

from __future__ import annotations

from saliency_bench.engine.outcome import Outcome
from saliency_bench.protocols import Bound, Study


def bind(study: Study) -> tuple[dict[str, Bound], Outcome]:
    """Bind every explainer to the study's model; and why others do not apply, or how they fail."""
    bound: dict[str, Bound] = {}
    outcome = Outcome()
    for name, explainer in study.explainers.items():
        with outcome.attempt(name), study.network.guarded() as taken:
            bound[name] = study.network.bind(explainer)
            outcome.note(name, taken)
    return {name: own for name, own in bound.items() if name not in outcome.unavailable}, outcome
