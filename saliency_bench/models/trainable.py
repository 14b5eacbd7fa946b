"""What a trainer needs to know of the networks that it trains."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from saliency_bench.models.training import Training


@runtime_checkable
class Trainable(Protocol):
    """Settings of networks that this package trains."""

    @property
    def training(self) -> Training:
        """How to train them."""
        ...

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained Keras model.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: number of classes.
            seed: of the initial weights.
        """
        ...

    def fingerprint(self) -> str:
        """Hash of all settings."""
        ...
