"""Models under test. A class holds settings; its `load()` builds, trains or reads the model."""

from saliency_bench.models.adebayo2018 import CNN, MLP
from saliency_bench.models.application import Application
from saliency_bench.models.base import LoadedModel, Model, as_loaded
from saliency_bench.models.fine_tuner import FineTuner
from saliency_bench.models.function import Function
from saliency_bench.models.keras_hub import KerasHub
from saliency_bench.models.others import with_others
from saliency_bench.models.pooling import PoolingCNN
from saliency_bench.models.saved import Saved
from saliency_bench.models.trainer import Trainer
from saliency_bench.models.training import Training
from saliency_bench.models.vit import VisionTransformer

__all__ = [
    "Application",
    "CNN",
    "FineTuner",
    "Function",
    "KerasHub",
    "LoadedModel",
    "MLP",
    "Model",
    "PoolingCNN",
    "Saved",
    "Trainer",
    "Training",
    "VisionTransformer",
    "as_loaded",
    "with_others",
]
