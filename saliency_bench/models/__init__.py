"""Models to explain maps of. Each class holds settings; its `load()` does the work."""

from saliency_bench.models.application import Application
from saliency_bench.models.base import LoadedModel, Model, as_loaded, trains
from saliency_bench.models.networks import CNN, MLP
from saliency_bench.models.saved import Saved
from saliency_bench.models.training import Training

__all__ = [
    "Application",
    "CNN",
    "LoadedModel",
    "MLP",
    "Model",
    "Saved",
    "Training",
    "as_loaded",
    "trains",
]
