"""A first look at the maps of a saved model on pictures: `python -m saliency_bench.explain`."""
