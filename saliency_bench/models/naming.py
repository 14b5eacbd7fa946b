"""What the name of a network decides: its seed and its labels."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.protocols import NetworkName


def seed_of(name: NetworkName, seed: int) -> int:
    """The seed of a network, different for each: of initial weights and order of images.

    Args:
        name: of the network.
        seed: of the network under test, whose own it is.
    """
    if name == NetworkName():
        return seed
    key = (name.labels, str(float(name.fraction)), name.draw)
    return int(randomize.stream("network", seed, *key).integers(2**31))


def labels_of(name: NetworkName, labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The labels `[M]` that a network learns.

    Args:
        name: of the network.
        labels: `[M]` the true ones.
        seed: of the network under test.
    """
    if name.fraction == 0:
        return labels
    return randomize.labels(
        labels,
        seed=seed,
        draw=name.draw,
        policy=cast("Literal['permuted', 'uniform']", name.labels),
        fraction=name.fraction,
    )
