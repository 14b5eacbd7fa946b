"""Nulls, ceilings, intervals and verdicts: pure functions on arrays and tables."""

from saliency_bench.inference.evidence import Evidence
from saliency_bench.inference.intervals import Components, Interval, interval
from saliency_bench.inference.tables import false_verdicts, judge, problems, spread, summarize

__all__ = [
    "Components",
    "Evidence",
    "Interval",
    "false_verdicts",
    "interval",
    "judge",
    "problems",
    "spread",
    "summarize",
]
