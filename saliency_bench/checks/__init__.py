"""Sanity checks: each one a named family of deliberate changes."""

from saliency_bench.checks.base import Repeated
from saliency_bench.checks.data_randomization import DataRandomization, Retrained
from saliency_bench.checks.param_randomization import ParameterRandomization, Redrawn

__all__ = ["DataRandomization", "ParameterRandomization", "Redrawn", "Repeated", "Retrained"]
