"""Compares a run with a baseline: do maps depend less on what the network learned than before?

`python -m saliency_bench.compare BASELINE RUN` reads stored scores and starts no TensorFlow.
"""

from saliency_bench.compare.baseline import freeze
from saliency_bench.compare.comparison import compare
from saliency_bench.compare.rows import TOLERANCE, Comparison, Row

__all__ = ["TOLERANCE", "Comparison", "Row", "compare", "freeze"]
