"""Scoring kernels against SciPy and scikit-image called map by map, in one process.

A row times what a cascade pays per stage: the reference is prepared once, the changed maps are
prepared and compared. The loop has nothing to keep but HOG's reference descriptors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from skimage.feature import hog
from skimage.metrics import structural_similarity

from benchmarks.parts import Row
from benchmarks.timing import timed
from saliency_bench.protocols import Similarity
from saliency_bench.similarities import SSIM, HOGCorrelation, Spearman

REPEATS = 5
SIZES = {28: 1000, 224: 64}
"""Pairs of maps by side in pixels."""

Maps = NDArray[np.float32]

TITLE = "Scoring"
ABOUT = """Batched kernels, the reference prepared once, over SciPy and scikit-image map by map."""
PACKAGES = ("numpy", "scipy", "scikit-image")


def rows(quick: bool) -> Iterator[Row]:
    """One row per measure and size: `name`, `ratio` (loop / ours, wall) and milliseconds.

    `loop_ms` and `ours_ms` are wall time, `loop_cpu_ms` and `ours_cpu_ms` CPU time; medians.
    """
    for name, (measure, loop) in _contestants().items():
        for side, pairs in SIZES.items():
            pairs = pairs // 16 if quick else pairs
            yield _row(f"{name} {side}x{side} x{pairs}", measure, loop, _maps(pairs, side))


def _contestants() -> dict[str, tuple[Similarity, Callable[[Maps, Maps], Callable[[], object]]]]:
    return {
        "SSIM": (SSIM(normalize=None), _ssim_loop),
        "Spearman": (Spearman(absolute=False), _spearman_loop),
        "HOG": (HOGCorrelation(), _hog_loop),
    }


def _ssim_loop(maps: Maps, others: Maps) -> Callable[[], object]:
    pairs = list(zip(maps[..., 0], others[..., 0], strict=True))
    return lambda: [structural_similarity(a, b, win_size=7, data_range=1.0) for a, b in pairs]


def _spearman_loop(maps: Maps, others: Maps) -> Callable[[], object]:
    pairs = [(a.ravel(), b.ravel()) for a, b in zip(maps, others, strict=True)]
    return lambda: [spearmanr(a, b).statistic for a, b in pairs]


def _hog_loop(maps: Maps, others: Maps) -> Callable[[], object]:
    cell = min(16, maps.shape[1] // 7)
    kept = [hog(m[..., 0], pixels_per_cell=(cell, cell)) for m in maps]
    pairs = list(zip(kept, others[..., 0], strict=True))
    return lambda: [np.corrcoef(a, hog(b, pixels_per_cell=(cell, cell)))[0, 1] for a, b in pairs]


def _maps(pairs: int, side: int) -> tuple[Maps, Maps]:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, pairs, side, side, 1), dtype=np.float32)
    return first, second


def _row(
    name: str,
    measure: Similarity,
    loop: Callable[[Maps, Maps], Callable[[], object]],
    maps: tuple[Maps, Maps],
) -> Row:
    reference, changed = measure.prepare(maps[0]), maps[1]
    theirs = loop(*maps)
    times = [
        _ms(theirs) + _ms(lambda: measure.compare(reference, measure.prepare(changed)))
        for _ in range(REPEATS)
    ]
    loop_ms, loop_cpu, ours_ms, ours_cpu = (median(column) for column in zip(*times, strict=True))
    return {
        "name": name,
        "ratio": loop_ms / ours_ms,
        "loop_ms": loop_ms,
        "ours_ms": ours_ms,
        "loop_cpu_ms": loop_cpu,
        "ours_cpu_ms": ours_cpu,
    }


def _ms(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU milliseconds."""
    wall, cpu = timed(work)
    return 1e3 * wall, 1e3 * cpu
