"""Sanity checks: each one a named family of deliberate changes."""

from saliency_bench.checks.base import Repeated
from saliency_bench.checks.data_randomization import DataRandomization, Retrained
from saliency_bench.checks.graded_randomization import GradedRandomization, Noisy
from saliency_bench.checks.param_randomization import ParameterRandomization, Redrawn

__all__ = [
    "DataRandomization",
    "GradedRandomization",
    "Noisy",
    "ParameterRandomization",
    "Redrawn",
    "Repeated",
    "Retrained",
]
