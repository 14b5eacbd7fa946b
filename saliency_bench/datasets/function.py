"""The images that a user's function returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.arrays import (
    as_pixels,
    check_channels,
    check_classes,
    preprocessing,
)
from saliency_bench.datasets.base import Source
from saliency_bench.datasets.batches import are_batches, as_class_numbers, gather
from saliency_bench.datasets.content import as_value_error, digest
from saliency_bench.protocols import Dataset, Preprocessing, one_line, with_class
from saliency_bench.protocols.inputs import as_numbers
from saliency_bench.storage.fingerprint import function_content, function_name

_FORMS = "images, (images, labels), batches of them, or two such parts: train and test"


@dataclass(frozen=True)
class Function:
    """A function, or a class, that returns images: arrays or batches, with labels or without.

    It returns images, (images, labels), or batches of them: a `tf.data.Dataset`, a Keras
    `PyDataset`, or any iterable. Two such parts, the one to train on and the one to explain, are
    ((x_train, y_train), (x_test, y_test)), as `keras.datasets` returns them, or a mapping with
    `train` and `test`. Images are uint8 or floats in [0, 1]; labels are `[N]`, `[N, 1]` or one-hot
    `[N, K]`. A `protocols.Dataset`, or an object with `load()` and `fingerprint()`, is taken as it
    is, with its own units and classes.

    Attributes:
        build: the function; it is called without arguments.
        mean: subtracted from pixels in [0, 1] before they enter the model; one number, or one per
            channel.
        std: pixels are divided by it afterwards; one number, or one per channel.
        limit: most images to explain of batches, the first ones; they are read no further. None:
            all. Of an array the study itself takes its images.
        train_limit: most images to train on, the first ones; None: all.
        classes: the names of the classes, in the order of the labels.
    """

    build: Callable[[], Any]
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    limit: int | None = None
    train_limit: int | None = None
    classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        preprocessing(self.mean, self.std)
        for name in ("limit", "train_limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    @property
    def name(self) -> str:
        """The function's name."""
        return function_name(self.build)

    def load(self, *, train: bool = True) -> Dataset:
        """Call the function, and read the images that are needed.

        Raises:
            ValueError: in one line, if it raises, or returns something else.
        """
        with as_value_error(f"dataset {self.name} must return images", _raised):
            given = self.build()
        # A `tf.data.Dataset` has methods of these names, too.
        if isinstance(given, Dataset | Source) and not are_batches(given):
            self._require_defaults()
            return given.load(train=train) if isinstance(given, Source) else given
        learned, explained = _parts(given, self.name)
        pixels, labels = self._read(explained, self.limit)
        units = preprocessing(self.mean, self.std)
        check_channels(units, pixels.shape[-1])
        dataset = Dataset(
            name=self.name,
            pixels=pixels,
            labels=labels,
            classes=tuple(str(name) for name in self.classes),
            preprocessing=units,
        )
        return dataset if learned is None or not train else self._with_training(dataset, learned)

    def fingerprint(self) -> str:
        """Hash of the settings, the function's source and its arguments.

        It does not tell whether the function returned the same images: those have a hash of their
        own in the key of every cell and of every trained network.
        """
        units = preprocessing(self.mean, self.std)
        return digest(
            {
                "dataset": "function",
                "build": list(function_content(self.build)),
                "mean": units.mean,
                "std": units.std,
                "limit": self.limit,
                "train_limit": self.train_limit,
                "classes": list(self.classes),
            }
        )

    def _with_training(self, dataset: Dataset, part: Any) -> Dataset:
        pixels, labels = self._read(part, self.train_limit)
        if pixels.shape[1:] != dataset.pixels.shape[1:]:
            raise ValueError(
                f"images to train on must have the shape of those to explain, got "
                f"{pixels.shape[1:]} and {dataset.pixels.shape[1:]}"
            )
        most = self.train_limit
        return replace(
            dataset,
            train_pixels=pixels[:most],
            train_labels=None if labels is None else labels[:most],
        )

    def _read(
        self, part: Any, limit: int | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
        """Pixels in [0, 1] and class numbers of one part."""
        images, labels = part if isinstance(part, tuple) else (part, None)
        if are_batches(images):
            gathered = gather(images, limit)
            images, labels = gathered.images, gathered.labels
        name = f"images of {self.name}"
        pixels = as_pixels(as_numbers(images, f"{name} must be numbers [N, H, W, C]"), name=name)
        if labels is None:
            return pixels, None
        classes = as_class_numbers(labels, len(pixels), f"labels of {self.name}")
        check_classes(self.classes, classes)
        return pixels, classes

    def _require_defaults(self) -> None:
        """Raise `ValueError` if settings are given to what has its own."""
        units = preprocessing(self.mean, self.std)
        is_set = {
            "mean": units.mean != Preprocessing().mean,
            "std": units.std != Preprocessing().std,
            "classes": len(self.classes) > 0,
        }
        for name in (name for name, own in is_set.items() if own):
            raise ValueError(
                f"{name} must be left out: {self.name} returns a data set with its own; "
                f"got {getattr(self, name)}"
            )


def _parts(given: Any, name: str) -> tuple[Any, Any]:
    """What to train on, or None, and what to explain: each an array, a pair or batches."""
    if isinstance(given, Mapping):
        if not {"test"} <= set(given) <= {"train", "test"}:
            keys = ", ".join(map(str, given))
            raise ValueError(f"dataset {name} must return {_FORMS}; got a mapping with {keys}")
        return given.get("train"), given["test"]
    if not isinstance(given, tuple):
        return None, given
    if len(given) != 2:
        raise ValueError(f"dataset {name} must return {_FORMS}; got {len(given)} parts")
    two = all(isinstance(part, tuple) or are_batches(part) for part in given)
    return given if two else (None, given)


def _raised(error: BaseException) -> str:
    return one_line(error) if isinstance(error, SystemExit) else f"it raised {with_class(error)}"
