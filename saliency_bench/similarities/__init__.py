"""Similarities: measures that compare two sets of maps and return one score per image.

A score is 1 for equal maps, about 0 for unrelated ones, and NaN if it is undefined.
"""

from saliency_bench.similarities.hog import HOGCorrelation
from saliency_bench.similarities.spearman import Spearman
from saliency_bench.similarities.ssim import SSIM

__all__ = ["HOGCorrelation", "SSIM", "Spearman"]
