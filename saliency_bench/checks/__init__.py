"""Sanity checks: each one a named family of deliberate changes."""

from saliency_bench.checks.base import Repeated
from saliency_bench.checks.data_randomization import DataRandomization, Retrained
from saliency_bench.checks.input_invariance import Behind, InputInvariance
from saliency_bench.checks.param_randomization import ParameterRandomization, Redrawn
from saliency_bench.checks.random_logit import OtherClass, RandomLogit
from saliency_bench.checks.relative_importance import OnScenes, RelativeImportance
from saliency_bench.checks.task_swap import OneSide, TaskSwap

__all__ = [
    "Behind",
    "DataRandomization",
    "InputInvariance",
    "OnScenes",
    "OneSide",
    "OtherClass",
    "ParameterRandomization",
    "RandomLogit",
    "Redrawn",
    "RelativeImportance",
    "Repeated",
    "Retrained",
    "TaskSwap",
]
