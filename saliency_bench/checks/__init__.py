"""Sanity checks: each one a named family of deliberate changes."""

from saliency_bench.checks.base import Redrawn, Repeated, Retrained
from saliency_bench.checks.bugs import Suspect
from saliency_bench.checks.cosine_convergence import CosineConvergence
from saliency_bench.checks.data_randomization import DataRandomization
from saliency_bench.checks.efficient_mprt import EfficientMPRT
from saliency_bench.checks.graded_randomization import GradedRandomization, Noisy
from saliency_bench.checks.input_invariance import Behind, InputInvariance
from saliency_bench.checks.mislabelled_training import MislabelledTraining
from saliency_bench.checks.objects_on_scenes import OnScenes
from saliency_bench.checks.out_of_distribution import OutOfDistribution
from saliency_bench.checks.param_randomization import ParameterRandomization
from saliency_bench.checks.random_logit import OtherClass, RandomLogit
from saliency_bench.checks.relative_importance import RelativeImportance
from saliency_bench.checks.spurious_background import SpuriousBackground
from saliency_bench.checks.task_swap import OneSide, TaskSwap

__all__ = [
    "Behind",
    "CosineConvergence",
    "DataRandomization",
    "EfficientMPRT",
    "GradedRandomization",
    "InputInvariance",
    "MislabelledTraining",
    "Noisy",
    "OnScenes",
    "OneSide",
    "OtherClass",
    "OutOfDistribution",
    "ParameterRandomization",
    "RandomLogit",
    "Redrawn",
    "RelativeImportance",
    "Repeated",
    "Retrained",
    "SpuriousBackground",
    "Suspect",
    "TaskSwap",
]
