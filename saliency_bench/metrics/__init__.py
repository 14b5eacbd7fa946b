"""Metrics: numbers that say whether one map is right, stable or readable.

They are no checks: the network is untouched. A result stands beside what a map that knows nothing
scores.
"""

from saliency_bench.metrics.base import Metric
from saliency_bench.metrics.faithfulness_correlation import FaithfulnessCorrelation
from saliency_bench.metrics.imputers import Blur, Fill, Histogram, Imputer, Mean, Neighbours
from saliency_bench.metrics.infidelity import Infidelity
from saliency_bench.metrics.pixel_flipping import Deletion, Insertion
from saliency_bench.metrics.road import ROAD
from saliency_bench.metrics.symmetric_relevance_gain import SymmetricRelevanceGain
from saliency_bench.metrics.versus_inverse import VersusInverse

__all__ = [
    "ROAD",
    "Blur",
    "Deletion",
    "FaithfulnessCorrelation",
    "Fill",
    "Histogram",
    "Imputer",
    "Infidelity",
    "Insertion",
    "Mean",
    "Metric",
    "Neighbours",
    "SymmetricRelevanceGain",
    "VersusInverse",
]
