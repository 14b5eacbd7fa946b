"""Metrics: numbers that say whether one map is right, stable or readable.

They are no checks: the network is untouched. A result stands beside what a map that knows nothing
scores.
"""

from saliency_bench.metrics.base import Metric

__all__ = ["Metric"]
