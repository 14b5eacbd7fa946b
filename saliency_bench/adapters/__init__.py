"""Explainers of other libraries; a library is imported only when its explainer is bound.

A library receives a model that ends in logits, whatever the user's model ends in, and that reads
the user's current weights. It returns raw maps. Methods that need the layers of the model raise
`NotApplicable`: `explainers.GradCAM` and `explainers.GuidedBackprop` serve every kind of model.
"""

from saliency_bench.adapters.base import Adapter
from saliency_bench.adapters.pair_saliency import PAIRSaliency
from saliency_bench.adapters.quantus import QuantusStyle
from saliency_bench.adapters.shap import SHAP
from saliency_bench.adapters.tf_explain import TFExplain
from saliency_bench.adapters.xplique import Xplique

__all__ = ["SHAP", "Adapter", "PAIRSaliency", "QuantusStyle", "TFExplain", "Xplique"]
