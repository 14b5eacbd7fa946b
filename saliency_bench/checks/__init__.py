"""Sanity checks: each one a named family of deliberate changes."""

from saliency_bench.checks.base import Redrawn, Repeated, Retrained
from saliency_bench.checks.cosine_convergence import CosineConvergence
from saliency_bench.checks.data_randomization import DataRandomization
from saliency_bench.checks.efficient_mprt import EfficientMPRT
from saliency_bench.checks.graded_randomization import GradedRandomization, Noisy
from saliency_bench.checks.param_randomization import ParameterRandomization

__all__ = [
    "CosineConvergence",
    "DataRandomization",
    "EfficientMPRT",
    "GradedRandomization",
    "Noisy",
    "ParameterRandomization",
    "Redrawn",
    "Repeated",
    "Retrained",
]
