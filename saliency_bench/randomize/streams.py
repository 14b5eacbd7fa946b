"""Random streams, each named by its purpose, and keys for the noise of images."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats, Ints, Rows, parts


def stream(*key: int | str) -> np.random.Generator:
    """An independent random stream, named by its key, such as `("noise", seed, image)`."""
    # Equal integers of any library name the same stream.
    names = tuple(part if isinstance(part, str) else int(part) for part in key)
    digest = hashlib.blake2b(repr(names).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest, "little")))


def image_keys(images: Floats | Rows) -> NDArray[np.int64]:
    """A hash of each image `[N, H, W, C]`, which seeds its noise: `[N]` int64."""
    rows = (row for part in parts(images) for row in np.ascontiguousarray(part, np.float32))
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return np.array([int.from_bytes(d, "little", signed=True) for d in digests], np.int64)


def other_keys(keys: Ints, purpose: str) -> NDArray[np.int64]:
    """New keys `[N]` for the same images, derived from their keys: another explainer seed.

    Args:
        keys: `[N]` int.
        purpose: other purposes give other keys.
    """
    rows = [f"{purpose}:{int(key)}".encode() for key in keys]
    digests = [hashlib.blake2b(row, digest_size=8).digest() for row in rows]
    return np.array([int.from_bytes(d, "little", signed=True) for d in digests], np.int64)
