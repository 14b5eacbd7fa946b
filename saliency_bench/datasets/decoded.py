"""Photos that are decoded at their first use."""

from __future__ import annotations

import math
import tempfile
import weakref
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.pictures import unit_range

Photo = NDArray[np.unsignedinteger[Any]]


class DecodedImages:
    """Photos `[N, H, W, C]` in [0, 1]; each is decoded once and stored in a temporary file.

    Memory holds only the photos of the current index.

    Args:
        shape: `(N, H, W, C)`.
        decode: returns the photo `[H, W, C]` of a row, in bytes or in 16 bits a sample.
    """

    def __init__(self, shape: tuple[int, ...], decode: Callable[[int], Photo]) -> None:
        self.shape = shape
        self._decode = decode
        self._stored: dict[int, tuple[int, np.dtype[Any]]] = {}
        self._end = 0
        # Unbuffered: a full disk raises an error at once, and no second one when the file closes.
        self._file = tempfile.TemporaryFile(prefix="saliency-bench-", buffering=0)  # noqa: SIM115
        self._lock = Lock()
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        """The photos of an index on the first axis, float32.

        Raises:
            ValueError: if a photo cannot be read.
            OSError: if the disk is full.
        """
        places = np.arange(len(self))[rows]
        photos = np.empty((places.size, *self.shape[1:]), np.float32)
        for photo, place in zip(photos, places.flat, strict=True):
            photo[...] = unit_range(self._read(int(place)))
        return photos.reshape(*places.shape, *self.shape[1:])

    def _read(self, place: int) -> Photo:
        """The photo of a row."""
        with self._lock:
            if place not in self._stored:
                return self._store(place)
            start, dtype = self._stored[place]
            self._file.seek(start)
            size = math.prod(self.shape[1:]) * dtype.itemsize
            return np.frombuffer(self._file.read(size), dtype).reshape(self.shape[1:])

    def _store(self, place: int) -> Photo:
        """Decode the photo of a row and write it behind the others."""
        photo = self._decode(place)
        self._file.seek(self._end)
        left = memoryview(photo.tobytes())
        while left:
            left = left[self._file.write(left) :]
        self._stored[place] = self._end, photo.dtype
        self._end += photo.nbytes
        return photo
