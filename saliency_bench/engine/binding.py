"""Explainers, bound to the model of a study."""

from __future__ import annotations

from saliency_bench.engine.outcome import Outcome
from saliency_bench.protocols import Bound, Study


def bind(study: Study) -> tuple[dict[str, Bound], Outcome]:
    """Bind all that is asked of explainers to the study's model, by the name of its call.

    Returns:
        What applies; and why the rest does not, or how it fails.
    """
    bound: dict[str, Bound] = {}
    outcome = Outcome()
    for name, explainer in study.calls().items():
        with outcome.attempt(name), study.network.guarded() as taken:
            bound[name] = study.network.bind(explainer)
            outcome.note(name, taken)
    return {name: own for name, own in bound.items() if name not in outcome.unavailable}, outcome
