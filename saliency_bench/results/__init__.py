"""What a run found: the tables, the example maps, and what follows from them. No TensorFlow."""

from saliency_bench.results.results import TRAININGS, Examples, Results

__all__ = ["TRAININGS", "Examples", "Results"]
