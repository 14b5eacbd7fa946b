"""Metrics: numbers that say whether one map is right, stable or readable.

They are no checks: the network is untouched. A result stands beside what a map that knows nothing
scores.
"""

from saliency_bench.metrics.base import Metric
from saliency_bench.metrics.complexity import Entropy, Gini
from saliency_bench.metrics.localisation import (
    LocalizationAUC,
    PointingGame,
    RelevanceMass,
    RelevanceRank,
)
from saliency_bench.metrics.mosaics import Focus, GridPointing
from saliency_bench.metrics.robustness import MaxSensitivity, RelativeStability

__all__ = [
    "Entropy",
    "Focus",
    "Gini",
    "GridPointing",
    "LocalizationAUC",
    "MaxSensitivity",
    "Metric",
    "PointingGame",
    "RelativeStability",
    "RelevanceMass",
    "RelevanceRank",
]
