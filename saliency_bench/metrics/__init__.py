"""Metrics: numbers that say whether one map is right, stable or readable.

They are no checks: the network is untouched. A result stands beside what a map that knows nothing
scores.
"""

from saliency_bench.metrics.base import Metric
from saliency_bench.metrics.complexity import Entropy, Gini
from saliency_bench.metrics.f_fidelity import FFidelity
from saliency_bench.metrics.faithfulness_correlation import FaithfulnessCorrelation
from saliency_bench.metrics.imputers import (
    Blur,
    Fill,
    Histogram,
    Imputer,
    Mean,
    Neighbours,
    OtherImages,
)
from saliency_bench.metrics.infidelity import Infidelity
from saliency_bench.metrics.localisation import (
    LocalizationAUC,
    PointingGame,
    RelevanceMass,
    RelevanceRank,
)
from saliency_bench.metrics.mosaics import Focus, GridPointing
from saliency_bench.metrics.pixel_flipping import Deletion, Insertion
from saliency_bench.metrics.road import ROAD
from saliency_bench.metrics.robustness import MaxSensitivity, RelativeStability
from saliency_bench.metrics.symmetric_relevance_gain import SymmetricRelevanceGain
from saliency_bench.metrics.versus_inverse import VersusInverse

__all__ = [
    "Blur",
    "Deletion",
    "Entropy",
    "FFidelity",
    "FaithfulnessCorrelation",
    "Fill",
    "Focus",
    "Gini",
    "GridPointing",
    "Histogram",
    "Imputer",
    "Infidelity",
    "Insertion",
    "LocalizationAUC",
    "MaxSensitivity",
    "Mean",
    "Metric",
    "Neighbours",
    "OtherImages",
    "PointingGame",
    "ROAD",
    "RelativeStability",
    "RelevanceMass",
    "RelevanceRank",
    "SymmetricRelevanceGain",
    "VersusInverse",
]
