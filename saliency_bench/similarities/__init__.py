"""Similarities: measures that compare two sets of maps and return one score per image.

A score is 1 for equal maps, about 0 for unrelated ones, and NaN if it is undefined.
"""

from saliency_bench.similarities.closeness import Closeness
from saliency_bench.similarities.cosine import Cosine
from saliency_bench.similarities.hog import HOGCorrelation
from saliency_bench.similarities.mse import MSE
from saliency_bench.similarities.off_baseline import SpearmanOffBaseline
from saliency_bench.similarities.pearson import Pearson
from saliency_bench.similarities.sign_agreement import SignAgreement
from saliency_bench.similarities.spearman import Spearman
from saliency_bench.similarities.ssim import SSIM
from saliency_bench.similarities.top_k_intersection import TopKIntersection

__all__ = [
    "Closeness",
    "Cosine",
    "HOGCorrelation",
    "MSE",
    "Pearson",
    "SSIM",
    "SignAgreement",
    "Spearman",
    "SpearmanOffBaseline",
    "TopKIntersection",
]
