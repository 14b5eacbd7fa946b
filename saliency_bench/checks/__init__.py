"""Sanity checks: each one a named family of deliberate changes."""

from saliency_bench.checks.base import Repeated
from saliency_bench.checks.data_randomization import DataRandomization, Retrained
from saliency_bench.checks.input_invariance import Behind, InputInvariance
from saliency_bench.checks.param_randomization import ParameterRandomization, Redrawn
from saliency_bench.checks.random_logit import OtherClass, RandomLogit

__all__ = [
    "Behind",
    "DataRandomization",
    "InputInvariance",
    "OtherClass",
    "ParameterRandomization",
    "RandomLogit",
    "Redrawn",
    "Repeated",
    "Retrained",
]
