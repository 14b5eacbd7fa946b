"""Similarities: measures that need only two sets of maps, and give one score per image.

1 means the two maps agree, about 0 that they share nothing, NaN that a score is undefined.
"""

from saliency_bench.similarities.hog import HOGCorrelation
from saliency_bench.similarities.spearman import Spearman
from saliency_bench.similarities.ssim import SSIM

__all__ = ["HOGCorrelation", "SSIM", "Spearman"]
