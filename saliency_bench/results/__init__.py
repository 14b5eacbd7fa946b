"""Results of a run: the tables, the example maps and the conclusions. No TensorFlow."""

from saliency_bench.results.results import TRAININGS, Examples, Results

__all__ = ["TRAININGS", "Examples", "Results"]
