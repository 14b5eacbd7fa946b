"""Explainers: from a model, images and targets to raw signed attribution maps."""

from saliency_bench.explainers.attention import AttentionRollout, GenericAttention
from saliency_bench.explainers.base import Method
from saliency_bench.explainers.blur_ig import BlurIG
from saliency_bench.explainers.cam import FEM, Activations, EigenCAM, ScoreCAM
from saliency_bench.explainers.controls import (
    CONTROLS,
    NAMED_CONTROLS,
    CentrePrior,
    Constant,
    Control,
    EdgeDetector,
    InputMagnitude,
    InputNoise,
    Mixture,
    OwnRegion,
    PatchOracle,
    RandomFresh,
    RandomFrozen,
    TargetHash,
    WeightHash,
)
from saliency_bench.explainers.deep_lift import DeepLIFT
from saliency_bench.explainers.expected_gradients import ExpectedGradients
from saliency_bench.explainers.foreign import Function
from saliency_bench.explainers.forgrad import ForGrad
from saliency_bench.explainers.grad_cam import (
    GradCAM,
    GradCAMPlusPlus,
    GuidedGradCAM,
    HiResCAM,
    LayerCAM,
)
from saliency_bench.explainers.gradient import Gradient, GradientInput
from saliency_bench.explainers.guided_backprop import Deconvnet, GuidedBackprop
from saliency_bench.explainers.guided_ig import GuidedIG
from saliency_bench.explainers.integrated_gradients import IntegratedGradients
from saliency_bench.explainers.lrp import LRP
from saliency_bench.explainers.occlusion import Occlusion
from saliency_bench.explainers.rise import RISE
from saliency_bench.explainers.sensitivity import HSIC, Sobol
from saliency_bench.explainers.smoothgrad import SmoothGrad, SquareGrad, VarGrad
from saliency_bench.explainers.superpixels import LIME, KernelSHAP
from saliency_bench.explainers.xrai import XRAI

__all__ = [
    "CONTROLS",
    "FEM",
    "HSIC",
    "LIME",
    "LRP",
    "NAMED_CONTROLS",
    "RISE",
    "XRAI",
    "Activations",
    "AttentionRollout",
    "BlurIG",
    "CentrePrior",
    "Constant",
    "Control",
    "Deconvnet",
    "DeepLIFT",
    "EdgeDetector",
    "EigenCAM",
    "ExpectedGradients",
    "ForGrad",
    "Function",
    "GenericAttention",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GradientInput",
    "GuidedBackprop",
    "GuidedGradCAM",
    "GuidedIG",
    "HiResCAM",
    "InputMagnitude",
    "InputNoise",
    "IntegratedGradients",
    "KernelSHAP",
    "LayerCAM",
    "Method",
    "Mixture",
    "Occlusion",
    "OwnRegion",
    "PatchOracle",
    "RandomFresh",
    "RandomFrozen",
    "ScoreCAM",
    "SmoothGrad",
    "Sobol",
    "SquareGrad",
    "TargetHash",
    "VarGrad",
    "WeightHash",
]
