"""Explainers: a model, images and target classes to raw signed attribution maps."""

from saliency_bench.explainers.base import Function, Method
from saliency_bench.explainers.controls import (
    CONTROLS,
    CentrePrior,
    Constant,
    Control,
    EdgeDetector,
    InputMagnitude,
    Mixture,
    RandomFresh,
    RandomFrozen,
    WeightHash,
)
from saliency_bench.explainers.grad_cam import GradCAM, GuidedGradCAM
from saliency_bench.explainers.gradient import Gradient, GradientInput
from saliency_bench.explainers.guided_backprop import GuidedBackprop
from saliency_bench.explainers.integrated_gradients import IntegratedGradients
from saliency_bench.explainers.occlusion import Occlusion
from saliency_bench.explainers.smoothgrad import SmoothGrad

__all__ = [
    "CONTROLS",
    "CentrePrior",
    "Constant",
    "Control",
    "EdgeDetector",
    "Function",
    "GradCAM",
    "Gradient",
    "GradientInput",
    "GuidedBackprop",
    "GuidedGradCAM",
    "InputMagnitude",
    "IntegratedGradients",
    "Method",
    "Mixture",
    "Occlusion",
    "RandomFresh",
    "RandomFrozen",
    "SmoothGrad",
    "WeightHash",
]
