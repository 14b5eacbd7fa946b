"""What a dataset group member offers."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from saliency_bench.protocols import Dataset


@runtime_checkable
class Source(Protocol):
    """Settings from which images are loaded."""

    def load(self, *, train: bool = True) -> Dataset:
        """The images; `train` says whether those to train on are wanted too."""
        ...

    def fingerprint(self) -> str:
        """Hash of the settings and of the files' content; starts no TensorFlow."""
        ...
