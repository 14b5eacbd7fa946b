"""The weights of a trained network in the place of those of the network under test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from saliency_bench.protocols.errors import ProofError
from saliency_bench.protocols.studies import Network, Values
from saliency_bench.protocols.trained_networks import TrainedNetwork


@contextmanager
def swapped_in(network: Network, trained: TrainedNetwork, name: str) -> Iterator[None]:
    """Put in the weights of another network of the same architecture.

    Args:
        network: the network under test.
        trained: the other one.
        name: of the other one, for messages.

    Raises:
        ProofError: if the stored weights are not those of the training.
    """

    def differing(model: Any) -> Values:
        with np.load(trained.file, allow_pickle=False) as stored:
            return {
                position: stored[str(position)]
                for position, variable in enumerate(model.variables)
                if not np.array_equal(stored[str(position)], variable.numpy())
            }

    with network.changed(network.once(trained, differing)):
        if network.fingerprint() != trained.fingerprint:
            raise ProofError(f"the stored weights are not those of {name}; remove {trained.file}")
        yield
