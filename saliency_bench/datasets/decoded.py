"""Photos that are decoded when they are first looked at."""

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
    """Photos `[N, H, W, C]` uint8, each decoded once and kept in a file of this process's own.

    Memory holds those only that are asked for.

    Args:
        shape: `(N, H, W, C)`.
        decode: the photo of a row, `[H, W, C]`.
    """

    def __init__(self, shape: tuple[int, ...], decode: Callable[[int], Photo]) -> None:
        self.shape = shape
        self._decode = decode
        self._known = np.zeros(shape[0], np.bool_)
        # Unbuffered: a full disk is told by the photo that it meets, and not again at the end.
        self._file = tempfile.TemporaryFile(prefix="saliency-bench-", buffering=0)  # noqa: SIM115
        self._lock = Lock()
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Photo:
        """The photos of an index on the first axis.

        Raises:
            ValueError: one cannot be read.
            OSError: if there is no room for them.
        """
        places = np.arange(len(self))[rows]
        photos = np.empty((places.size, *self.shape[1:]), np.uint8)
        for photo, place in zip(photos, places.flat, strict=True):
            self._read(int(place), photo)
        return photos.reshape(*places.shape, *self.shape[1:])

    def _read(self, place: int, photo: Photo) -> None:
        """Fill in a photo."""
        with self._lock:
            if self._known[place]:
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
            self._known[place] = True
