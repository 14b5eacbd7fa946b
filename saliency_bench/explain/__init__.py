"""Explain pictures with a saved model: `python -m saliency_bench.explain`."""
