"""The interface of a dataset."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from saliency_bench.protocols import Dataset


@runtime_checkable
class Source(Protocol):
    """Settings from which images are loaded."""

    def load(self, *, train: bool = True) -> Dataset:
        """Load the images; with `train`, also those to train on."""
        ...

    def fingerprint(self) -> str:
        """Hash of the settings and of the files' content; starts no TensorFlow."""
        ...
