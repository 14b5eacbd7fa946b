"""Correlation of the histograms of oriented gradients of two maps (Adebayo et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from saliency_bench.protocols import Floats, NotApplicable
from saliency_bench.similarities.correlation import Vectors, average_ranks, correlate
from saliency_bench.similarities.prepared import check_threshold, scores
from saliency_bench.similarities.reduce import chunks, planes, unit_peak

ORIENTATIONS = 9
BLOCK_CELLS = 3
CLIP = 0.2
EPSILON = 1e-5
FOLDED = np.arange(2 * ORIENTATIONS + 1) % ORIENTATIONS
"""Bins of the angles -9..9, in units of 20 degrees; a lookup is faster than a remainder."""


@dataclass(frozen=True)
class HOGCorrelation:
    """Correlation of HOG descriptors: do two maps have the same edges at the same positions?

    The descriptor is that of `skimage.feature.hog(map, orientations=9, pixels_per_cell=(cell,
    cell), cells_per_block=(3, 3))` of the map scaled to a largest absolute value of 1 (Dalal and
    Triggs, 2005). Constant maps are undefined.

    Attributes:
        cell: side of a cell in pixels. None: for maps of H x W the paper's 16 if the short side has
            at least 112 pixels, else `min(H, W) // 7`, but at least 2.
        correlation: "pearson" as in the paper, "spearman" as in its code.
        absolute: whether `|m|` is summed over the channels instead of `m`.
        threshold: largest `retained` that passes; None: no verdict.
    """

    papers: ClassVar[tuple[str, ...]] = ("adebayo2018", "dalal2005")

    cell: int | None = None
    correlation: Literal["pearson", "spearman"] = "pearson"
    absolute: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.cell is not None and self.cell < 1:
            raise ValueError(f"cell must be at least 1 or None; got {self.cell}")
        if self.correlation not in ("pearson", "spearman"):
            raise ValueError(
                f"correlation must be 'pearson' or 'spearman'; got {self.correlation!r}"
            )
        check_threshold(self.threshold)

    def prepare(self, maps: Floats) -> Vectors:
        """Standardised descriptors of maps `[N, H, W, C']`, or of their ranks.

        Raises:
            NotApplicable: if a map is smaller than one block of 3 x 3 cells.
        """
        values = planes(maps, absolute=self.absolute)
        # An undefined plane becomes 0: without edges, its descriptor is undefined too.
        scaled = np.nan_to_num(unit_peak(values), copy=False)
        descriptors = hog(scaled, self._cell(*values.shape[1:]))
        if self.correlation == "spearman":
            descriptors = average_ranks(descriptors)
        return Vectors.of(descriptors)

    def compare(self, reference: Vectors, changed: Vectors) -> NDArray[np.float64]:
        """`[N]` correlations in [-1, 1], NaN where either map is undefined."""
        return correlate(reference, changed)

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)

    def _cell(self, height: int, width: int) -> int:
        side = min(height, width)
        cell = min(16, max(2, side // 7)) if self.cell is None else self.cell
        if side < BLOCK_CELLS * cell:
            raise NotApplicable(
                f"HOG with cells of {cell} pixels needs maps of at least "
                f"{BLOCK_CELLS * cell}x{BLOCK_CELLS * cell}; got {height}x{width}"
            )
        return cell


def hog(values: NDArray[np.float64], cell: int) -> NDArray[np.float64]:
    """HOG descriptors `[N, D]` of planes `[N, H, W]` (Dalal and Triggs, 2005).

    9 unsigned orientations, overlapping blocks of 3 x 3 cells, L2-Hys normalisation.
    """
    n, height, width = values.shape
    histograms = np.empty((n, height // cell, width // cell, ORIENTATIONS))
    for part in chunks(n, height * width):
        histograms[part] = _histograms(values[part], cell)
    blocks = sliding_window_view(histograms, (BLOCK_CELLS, BLOCK_CELLS), axis=(1, 2))
    blocks = np.moveaxis(blocks, 3, -1).reshape(*blocks.shape[:3], -1)
    return _unit(np.minimum(_unit(blocks), CLIP)).reshape(n, -1)


def _unit(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    square: NDArray[np.float64] = np.einsum("nrcd,nrcd->nrc", blocks, blocks)
    return blocks / np.sqrt(square + EPSILON**2)[..., None]


def _histograms(values: NDArray[np.float64], cell: int) -> NDArray[np.float64]:
    """Gradient magnitude by orientation, averaged over each cell: `[N, rows, columns, 9]`."""
    n, height, width = values.shape
    rows, columns = height // cell, width // cell
    down, right = np.zeros_like(values), np.zeros_like(values)
    down[:, 1:-1] = values[:, 2:] - values[:, :-2]
    right[:, :, 1:-1] = values[:, :, 2:] - values[:, :, :-2]
    used = np.s_[:, : rows * cell, : columns * cell]
    down, right = down[used], right[used]
    cells = np.arange(n * rows * columns).reshape(n, rows, 1, columns, 1)
    index = cells * ORIENTATIONS + _bins(down, right).reshape(n, rows, cell, columns, cell)
    magnitude = np.sqrt(down**2 + right**2)
    total = np.bincount(index.ravel(), magnitude.ravel(), cells.size * ORIENTATIONS)
    return np.reshape(total / cell**2, (n, rows, columns, ORIENTATIONS))


def _bins(down: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.intp]:
    """Orientation of a gradient in steps of 20 degrees, 0 to 8; opposite directions are equal."""
    turns = np.floor(np.arctan2(down, right) * (ORIENTATIONS / np.pi)).astype(np.intp)
    bins = FOLDED[turns + ORIENTATIONS]
    bins[down == 0] = 0  # left and right are equal, however pi was rounded above
    return bins
