"""Images that are read a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PART = 256
"""Images that are read at once where all are looked at one after the other."""


@dataclass(frozen=True)
class Rows:
    """Images `[N, H, W, C]` float32 that are read when they are indexed.

    NumPy takes it for an array, and then reads all of it.

    Attributes:
        source: what holds them: an array, or what has its `shape` and gives one when indexed.
        made: what is read to float32 images.
        chosen: `[N]` which rows of the source; None: all.
    """

    source: Any
    made: Callable[[Array], NDArray[np.float32]]
    chosen: NDArray[np.integer[Any]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """`(N, H, W, C)`."""
        count = len(self.source) if self.chosen is None else len(self.chosen)
        return (count, *self.source.shape[1:])

    @property
    def ndim(self) -> int:
        """Its axes: 4 for images."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """What an index of an array gives; only the rows that it names are read."""
        rows, *inside = index if isinstance(index, tuple) else (index,)
        images = self.made(self.source[rows if self.chosen is None else self.chosen[rows]])
        of_one = isinstance(rows, int | np.integer)
        return images[tuple(inside) if of_one else (slice(None), *inside)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    def take(self, rows: NDArray[np.integer[Any]]) -> Rows:
        """Some of these images, in this order; reads nothing."""
        chosen = rows if self.chosen is None else self.chosen[rows]
        return Rows(self.source, self.made, chosen)


def parts(images: Array | Rows) -> Iterator[NDArray[Any]]:
    """All images `[N, ...]`, a few at a time."""
    for start in range(0, len(images), PART):
        yield images[start : start + PART]
