"""Data sets that Keras downloads."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from saliency_bench.datasets.arrays import as_labels, as_pixels
from saliency_bench.datasets.content import as_value_error, digest
from saliency_bench.protocols import Dataset

CLASSES = MappingProxyType(
    {
        "mnist": tuple("0123456789"),
        "fashion_mnist": (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        "cifar10": (
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        "cifar100": (),
    }
)
"""Class names of each data set; empty: classes have numbers only."""


@dataclass(frozen=True)
class KerasDataset:
    """A data set of `keras.datasets`, in its official split.

    Attributes:
        name: mnist, fashion_mnist, cifar10 or cifar100.
    """

    name: str = "mnist"

    def __post_init__(self) -> None:
        if self.name not in CLASSES:
            raise ValueError(f"name must be one of {', '.join(CLASSES)}, got {self.name}")

    def load(self, *, train: bool = True) -> Dataset:
        """Load the images; with `train`, also those to train on.

        Raises:
            ValueError: if they are not on this computer and cannot be downloaded.
        """
        (x_train, y_train), (x_test, y_test) = self._download()
        return Dataset(
            name=self.name,
            pixels=as_pixels(x_test),
            labels=as_labels(y_test.ravel(), len(x_test)),
            train_pixels=as_pixels(x_train) if train else None,
            train_labels=as_labels(y_train.ravel(), len(x_train)) if train else None,
            classes=CLASSES[self.name],
        )

    def fingerprint(self) -> str:
        """Hash of the settings; Keras itself checks the hash of each file."""
        return digest({"dataset": self.name})

    def _download(self) -> Any:
        import keras

        with as_value_error(
            f"{self.name} could not be downloaded; give your own file with dataset=npz "
            "dataset.path=FILE"
        ):
            return getattr(keras.datasets, self.name).load_data()
