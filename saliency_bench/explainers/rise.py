"""RISE: random masks, weighted by the score of the masked image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.explainers.masking import Masking, Probe, require, require_room
from saliency_bench.protocols import Floats
from saliency_bench.randomize import stream


@dataclass(frozen=True)
class RISE(Masking):
    """Mean score of the masks that show a pixel (Petsiuk et al., 2018).

    A mask is a random grid of cells, shown or hidden, resized bilinearly to the image with a random
    shift. The map is `sum(score * mask) / sum(mask)`. The denominator is that of the masks drawn,
    not its expectation, so that a constant score gives a constant map. An image's masks depend on
    `seed` and its key only: they are the same for every network.

    Attributes:
        samples: masks per image.
        cells: number along each side of the grid.
        probability: probability that a cell is shown.
        seed: of the masks.
        fill: value of hidden pixels, model units.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("petsiuk2018",)
    axioms: ClassVar[frozenset[str]] = frozenset({"noise", "weights", "linearity"})

    samples: int = 1000
    cells: int = 7
    probability: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require("samples", self.samples, 1)
        require("cells", self.cells, 1)
        if not 0 < self.probability < 1:
            raise ValueError(f"probability must lie between 0 and 1; got {self.probability}")

    def probe(self, image: NDArray[np.float32], key: int) -> Probe:
        """Masks of `key`; `ValueError` if the image has fewer pixels than the grid has cells."""
        require_room(self.cells, image)
        return _Rise(self, image.shape[0], image.shape[1], stream("rise", self.seed, key))


class _Rise(Probe):
    def __init__(self, rise: RISE, height: int, width: int, random: np.random.Generator) -> None:
        self.count = rise.samples
        self._rise, self._size, self._random = rise, (height, width), random
        self._weighted = np.zeros(height * width)
        self._shown = np.zeros(height * width)

    def masks(self, start: int, stop: int) -> NDArray[np.float32]:
        """The next masks of the random stream."""
        cells = self._rise.cells
        draws = self._random.random((stop - start, cells * cells + 2), dtype=np.float32)
        grid = (draws[:, 2:] < self._rise.probability).astype(np.float32)
        rows, columns = (
            _interpolation(size, cells, draws[:, axis]) for axis, size in enumerate(self._size)
        )
        # Not BLAS: on such small matrices its threads wait longer than they work.
        across = np.einsum("mcd,mwd->mcw", grid.reshape(-1, cells, cells), columns)
        return np.asarray(np.einsum("mhc,mcw->mhw", rows, across), np.float32)

    def add(self, start: int, masks: Floats, scores: Floats) -> None:
        """Add to the sums of the masks, with and without their scores as weights."""
        flat = masks.reshape(len(masks), -1)
        self._weighted += np.einsum("m,mp->p", scores, flat)
        self._shown += flat.sum(axis=0)

    def map(self) -> Floats:
        """The quotient of the two sums; NaN at a pixel that no mask shows."""
        with np.errstate(invalid="ignore"):
            return np.asarray((self._weighted / self._shown).reshape(self._size))


def _interpolation(size: int, cells: int, shifts: Floats) -> NDArray[np.float32]:
    """Weights `[M, size, cells]` of each cell at each pixel, for shifts `[M]` in cells.

    As in the paper the grid covers one cell more than the image.
    """
    cell = -(-size // cells)
    offset = np.floor(shifts * cell)
    places = (np.arange(size) + offset[:, None] + 0.5) * cells / ((cells + 1) * cell) - 0.5
    near = np.clip(places, 0, cells - 1)[..., None] - np.arange(cells)
    return np.asarray(np.maximum(1 - np.abs(near), 0), np.float32)
