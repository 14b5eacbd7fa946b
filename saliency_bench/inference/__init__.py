"""Nulls, ceilings, intervals and verdicts: pure functions on arrays and tables."""

from saliency_bench.inference.evidence import Case, Evidence, cases
from saliency_bench.inference.intervals import UNKNOWN, Components, Estimate, Interval, interval
from saliency_bench.inference.metric_reliability import agreement, consistency, meta_consistency
from saliency_bench.inference.pairs import difference
from saliency_bench.inference.quality import QUALITY, Quality, assess
from saliency_bench.inference.ranks import RANKS, front, ranks
from saliency_bench.inference.reliability import reliability
from saliency_bench.inference.rules import decide
from saliency_bench.inference.tables import (
    false_verdicts,
    judge,
    problems,
    summarize,
    variance_components,
)

__all__ = [
    "Case",
    "Components",
    "Estimate",
    "Evidence",
    "Interval",
    "QUALITY",
    "Quality",
    "RANKS",
    "UNKNOWN",
    "agreement",
    "assess",
    "cases",
    "consistency",
    "decide",
    "front",
    "difference",
    "false_verdicts",
    "interval",
    "judge",
    "meta_consistency",
    "problems",
    "ranks",
    "reliability",
    "variance_components",
    "summarize",
]
