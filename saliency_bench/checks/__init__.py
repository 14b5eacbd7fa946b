"""Sanity checks: each one a named family of deliberate changes."""

from saliency_bench.checks.param_randomization import ParameterRandomization, Redrawn, Repeated

__all__ = ["ParameterRandomization", "Redrawn", "Repeated"]
