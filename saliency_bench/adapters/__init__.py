"""Explainers of other libraries behind our protocol: each is imported only when it is bound.

They get a model that ends in the logits, whatever the user's ends in, and reads its live weights;
they give back raw maps. What a library can only do to a whole model, layer by layer, is refused:
`explainers.GradCAM` and `explainers.GuidedBackprop` do it for every kind of model.
"""

from saliency_bench.adapters.base import Adapter
from saliency_bench.adapters.pair_saliency import PAIRSaliency
from saliency_bench.adapters.quantus import QuantusStyle
from saliency_bench.adapters.shap import SHAP
from saliency_bench.adapters.tf_explain import TFExplain
from saliency_bench.adapters.xplique import Xplique

__all__ = ["SHAP", "Adapter", "PAIRSaliency", "QuantusStyle", "TFExplain", "Xplique"]
