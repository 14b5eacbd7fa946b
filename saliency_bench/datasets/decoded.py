"""Photos that are decoded at their first use."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.uint8]


class DecodedImages:
    """Photos `[N, H, W, C]` uint8; each is decoded once and stored in a temporary file.

    Memory holds only the photos of the current index.

    Args:
        shape: `(N, H, W, C)`.
        decode: returns the photo `[H, W, C]` of a row.
    """

    def __init__(self, shape: tuple[int, ...], decode: Callable[[int], Photo]) -> None:
        self.shape = shape
        self._decode = decode
        self._stored = np.zeros(shape[0], np.bool_)
        # Unbuffered: a full disk raises an error at once, and no second one when the file closes.
        self._file = tempfile.TemporaryFile(prefix="saliency-bench-", buffering=0)  # noqa: SIM115
        self._lock = Lock()
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Photo:
        """The photos of an index on the first axis.

        Raises:
            ValueError: if a photo cannot be read.
            OSError: if the disk is full.
        """
        places = np.arange(len(self))[rows]
        photos = np.empty((places.size, *self.shape[1:]), np.uint8)
        for photo, place in zip(photos, places.flat, strict=True):
            self._read(int(place), photo)
        return photos.reshape(*places.shape, *self.shape[1:])

    def _read(self, place: int, photo: Photo) -> None:
        """Fill in the photo of a row."""
        with self._lock:
            if self._stored[place]:
                self._file.seek(place * photo.nbytes)
                photo[...] = np.frombuffer(self._file.read(photo.nbytes), np.uint8).reshape(
                    photo.shape
                )
                return
            photo[...] = self._decode(place)
            self._file.seek(place * photo.nbytes)
            left = memoryview(photo.tobytes())
            while left:
                left = left[self._file.write(left) :]
            self._stored[place] = True
