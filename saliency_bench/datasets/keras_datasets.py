"""The data sets that Keras downloads."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from saliency_bench.datasets.arrays import as_labels, as_pixels
from saliency_bench.datasets.content import digest
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
"""The class names of each data set; empty: only numbers."""


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
        """The images; `train` says whether those to train on are wanted too.

        Raises:
            ValueError: they are not on this computer and could not be downloaded.
        """
        (x_train, y_train), (x_test, y_test) = self._downloaded()
        return Dataset(
            name=self.name,
            pixels=as_pixels(x_test),
            labels=as_labels(y_test.ravel(), len(x_test)),
            train_pixels=as_pixels(x_train) if train else None,
            train_labels=as_labels(y_train.ravel(), len(x_train)) if train else None,
            classes=CLASSES[self.name],
        )

    def fingerprint(self) -> str:
        """Hash of what decides the images: Keras checks each file's own hash."""
        return digest({"dataset": self.name})

    def _downloaded(self) -> Any:
        import keras

        try:
            return getattr(keras.datasets, self.name).load_data()
        except Exception as error:  # Keras raises the bare class if a download fails
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"{self.name} could not be downloaded; give a file of your own with dataset=npz "
                f"dataset.path=FILE ({reason})"
            ) from error
