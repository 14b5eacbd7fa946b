"""Images that are read a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PART = 256
"""Number of images that are read at once in a pass over all images."""


@dataclass(frozen=True)
class Rows:
    """Images `[N, H, W, C]` float32, or masks `[N, H, W]`, that are read when they are indexed.

    NumPy accepts it as an array, and then reads all images.

    Attributes:
        source: an array, or an object with a `shape` that returns an array when it is indexed.
        made: converts rows of the source to float32 images, or to masks.
        chosen: `[N]` the rows of the source that are used; None for all.
    """

    source: Any
    made: Callable[[Array], Array]
    chosen: NDArray[np.integer[Any]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """`(N, H, W, C)`; `(N, H, W)` of masks."""
        count = len(self.source) if self.chosen is None else len(self.chosen)
        return (count, *self.source.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes: 4 for images."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        """The images at an index, as for an array; reads only the indexed rows."""
        rows, *inside = index if isinstance(index, tuple) else (index,)
        images = self.made(self.source[rows if self.chosen is None else self.chosen[rows]])
        of_one = isinstance(rows, int | np.integer)
        return images[tuple(inside) if of_one else (slice(None), *inside)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    def take(self, rows: NDArray[np.integer[Any]]) -> Rows:
        """The images at `rows`, in that order; reads no image."""
        chosen = rows if self.chosen is None else self.chosen[rows]
        return Rows(self.source, self.made, chosen)


@dataclass(frozen=True)
class Made:
    """A source of `Rows` that is made when it is indexed.

    Attributes:
        shape: `(N, H, W, C)`; `(N, H, W)` of masks.
        make: from numbers of images `[n]` to the images.
    """

    shape: tuple[int, ...]
    make: Callable[[NDArray[np.integer[Any]]], Array]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        rows = np.arange(len(self))[index]
        made = self.make(np.atleast_1d(rows))
        return made if rows.ndim else np.asarray(made[0])


def parts(images: Array | Rows) -> Iterator[NDArray[Any]]:
    """All images `[N, ...]`, a few at a time."""
    for start in range(0, len(images), PART):
        yield images[start : start + PART]
