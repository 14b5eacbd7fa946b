"""A run against a baseline: have maps come to depend less on what the network learned?

Nothing is computed anew and no TensorFlow starts: `python -m saliency_bench.compare BASELINE RUN`.
"""

from saliency_bench.compare.baseline import freeze
from saliency_bench.compare.comparison import compare
from saliency_bench.compare.rows import TOLERANCE, Comparison, Row

__all__ = ["TOLERANCE", "Comparison", "Row", "compare", "freeze"]
