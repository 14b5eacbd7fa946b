"""Keras callbacks that write maps, and how much training changes them, to TensorBoard."""

from saliency_bench.callbacks.events import read_maps
from saliency_bench.callbacks.explanation import ExplanationCallback
from saliency_bench.callbacks.sanity import Sanity, SanityCallback

__all__ = ["ExplanationCallback", "Sanity", "SanityCallback", "read_maps"]
