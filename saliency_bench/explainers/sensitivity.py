"""Global sensitivity analysis of the cells of an image: Sobol indices and HSIC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.explainers.base import USUAL
from saliency_bench.explainers.masking import Masking, Probe, require, require_room, spread
from saliency_bench.protocols import Floats
from saliency_bench.randomize import stream

CHUNK = 250
"""Masks in one estimate of HSIC: its memory grows with their square."""


@dataclass(frozen=True)
class _Sensitivity(Masking):
    """An index for each cell of a grid, repeated over the cell's pixels."""

    signed: ClassVar[bool] = False

    samples: int = 32
    cells: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require("samples", self.samples, 2)
        require("cells", self.cells, 1)


@dataclass(frozen=True)
class Sobol(_Sensitivity):
    """Total-order Sobol indices: a cell's share of the score's variance (Fel et al., 2021).

    Cells are dimmed by quasi-random factors in [0, 1]. There are two sets A and B of `samples`
    factor vectors each, and for every cell a copy of A with this cell's factors from B. Jansen's
    estimator of the index is `mean((f(A) - f(A with cell from B))^2) / (2 var f)`. It needs
    `samples * (cells^2 + 2)` forward passes per image.

    Attributes:
        samples: factor vectors per set; a power of two is best.
        cells: number along each side of the grid.
        seed: of the factors.
        fill: value of a pixel whose factor is 0, model units.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("fel2021",)
    axioms: ClassVar[frozenset[str]] = USUAL

    def reach(self, height: int, width: int) -> float:
        """A cell that lies half beside what the network sees has one index for all its pixels."""
        return float(-(-max(height, width) // self.cells) - 1)

    def probe(self, image: NDArray[np.float32], key: int) -> Probe:
        """Factors of `key`; `ValueError` if the image has fewer pixels than the grid has cells."""
        require_room(self.cells, image)
        return _Jansen(self, image.shape[0], image.shape[1], stream("sobol", self.seed, key))


class _Jansen(Probe):
    def __init__(self, sobol: Sobol, height: int, width: int, random: np.random.Generator) -> None:
        from scipy.stats import qmc

        size, self._samples = sobol.cells**2, sobol.samples
        self._size, self._side = (height, width), sobol.cells
        sampler = qmc.Sobol(2 * size, rng=random)
        # SciPy warns unless a power of two is drawn; the surplus is dropped.
        factors = sampler.random_base2(int(np.ceil(np.log2(self._samples))))[: self._samples]
        self._first, self._second = factors[:, :size], factors[:, size:]
        self.count = self._samples * (size + 2)
        self._scores = np.zeros(2 * self._samples)
        self._changes = np.zeros(size)

    def masks(self, start: int, stop: int) -> NDArray[np.float32]:
        """First set A, then set B, then A with one cell from B, cell by cell."""
        sets, rows = np.divmod(np.arange(start, stop), self._samples)
        values = np.where((sets == 1)[:, None], self._second[rows], self._first[rows])
        mixed = np.flatnonzero(sets > 1)
        cells = sets[mixed] - 2
        values[mixed, cells] = self._second[rows[mixed], cells]
        return spread(values.reshape(-1, self._side, self._side), *self._size)

    def add(self, start: int, masks: Floats, scores: Floats) -> None:
        """Add the squared changes of the score, by cell."""
        sets, rows = np.divmod(np.arange(start, start + len(scores)), self._samples)
        plain = sets < 2
        self._scores[sets[plain] * self._samples + rows[plain]] = scores[plain]
        changes = (self._scores[rows[~plain]] - np.float64(scores[~plain])) ** 2
        np.add.at(self._changes, sets[~plain] - 2, changes)

    def map(self) -> Floats:
        """The indices; all 0 if the score does not vary."""
        variance = self._scores.var()
        means = self._changes / self._samples / 2
        indices = np.divide(means, variance, out=np.zeros_like(means), where=variance > 0)
        return spread(indices.reshape(self._side, self._side), *self._size)


@dataclass(frozen=True)
class HSIC(_Sensitivity):
    """How much the score depends on whether a cell is shown (Novello et al., 2022).

    The Hilbert-Schmidt independence criterion between two variables: whether the cell is shown,
    with the kernel `1[z = z']`, and the score, with a Gaussian kernel as wide as the median
    distance. It is the block estimate: the mean over blocks of at most 250 masks.

    Attributes:
        samples: masks per image.
        cells: number along each side of the grid.
        seed: of the masks.
        fill: value of hidden pixels, model units.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("novello2022",)

    samples: int = 1000
    cells: int = 7

    def probe(self, image: NDArray[np.float32], key: int) -> Probe:
        """Masks of `key`; `ValueError` if the image has fewer pixels than the grid has cells."""
        require_room(self.cells, image)
        return _Dependence(self, image.shape[0], image.shape[1], stream("hsic", self.seed, key))


class _Dependence(Probe):
    def __init__(self, hsic: HSIC, height: int, width: int, random: np.random.Generator) -> None:
        self.count = hsic.samples
        self._size, self._side, self._random = (height, width), hsic.cells, random
        self._shown = np.zeros((0, hsic.cells**2))
        self._scores = np.zeros(0)
        self._total, self._used = np.zeros(hsic.cells**2), 0

    def masks(self, start: int, stop: int) -> NDArray[np.float32]:
        """Each cell is shown with probability one half."""
        draws = self._random.random((stop - start, self._side**2), dtype=np.float32)
        shown = (draws < 0.5).astype(np.float64)
        self._shown = np.concatenate([self._shown, shown])
        return spread(shown.reshape(-1, self._side, self._side), *self._size)

    def add(self, start: int, masks: Floats, scores: Floats) -> None:
        """Collect scores, and estimate whenever a block is full."""
        self._scores = np.append(self._scores, scores)
        while len(self._scores) >= CHUNK:
            self._estimate(CHUNK)

    def map(self) -> Floats:
        """The mean of the estimates, weighted by their masks; a rest of one mask gives none."""
        if len(self._scores) > 1:
            self._estimate(len(self._scores))
        return spread((self._total / self._used).reshape(self._side, self._side), *self._size)

    def _estimate(self, count: int) -> None:
        from scipy.spatial.distance import pdist, squareform

        shown, scores = self._shown[:count], self._scores[:count]
        self._shown, self._scores = self._shown[count:], self._scores[count:]
        distances = pdist(scores[:, None], "sqeuclidean")
        width = np.median(distances) or distances.mean() or 1.0
        likeness = squareform(np.exp(-distances / (2 * width))) + np.eye(count)
        centred = likeness - likeness.mean(axis=0) - likeness.mean(axis=1)[:, None]
        centred += likeness.mean()
        # 1[z = z'] is 1 - z - z' + 2 z z'; centring removes all but the last term.
        # Not BLAS: on such small matrices its threads wait longer than they work.
        products = np.einsum("mn,cn->mc", centred, np.ascontiguousarray(shown.T))
        values = 2 * (shown * products).sum(axis=0)
        self._total += count * np.maximum(values, 0) / (count - 1) ** 2
        self._used += count
