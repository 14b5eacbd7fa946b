"""The interface of a model, and the check that a model fits its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.datasets.arrays import check_channels
from saliency_bench.datasets.content import quote
from saliency_bench.protocols import Dataset, Preprocessing


@dataclass(frozen=True)
class LoadedModel:
    """A built Keras model with its preprocessing.

    Attributes:
        model: the Keras model; maps images in model units to class scores `[N, K]`.
        preprocessing: from pixels in [0, 1] to model units; None: the dataset's.
        name: its name in the report.
        facts: origin of the weights, for the provenance.
    """

    model: Any
    preprocessing: Preprocessing | None
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Model(Protocol):
    """Settings from which a model is trained or loaded.

    Attributes:
        trains: whether the dataset must have labelled images to train on.
    """

    trains: ClassVar[bool]

    def load(self, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
        """Build, train or read the model for a dataset.

        Args:
            dataset: the images to explain and to train on.
            seed: root of the random numbers.
            cache: folder of trained networks.
        """
        ...

    def fingerprint(self) -> str:
        """Hash of the settings and of the files' content; starts no TensorFlow."""
        ...


def as_loaded(model: Any, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
    """Load a model of this package, or check a Keras model that a user's function returned.

    Args:
        model: either of them.
        dataset: the images that it must accept.
        seed: root of the random numbers.
        cache: folder of trained networks.

    Raises:
        TypeError: if it is neither.
        ValueError: if it cannot be loaded or does not fit the dataset.
    """
    if isinstance(model, Model):
        return model.load(dataset, seed=seed, cache=cache)
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"a model's _target_ must return a Keras model, got {type(model).__name__}")
    return check_fit(LoadedModel(model, None, model.name), dataset)


def check_fit(loaded: LoadedModel, dataset: Dataset) -> LoadedModel:
    """Check a model with one image and return it.

    Raises:
        ValueError: if it does not accept such images, or has no score for some class.
    """
    units = loaded.preprocessing or dataset.preprocessing
    shape = dataset.pixels.shape[1:]
    check_channels(units, shape[-1])
    if reason := network.misfit(loaded.model, shape):
        raise ValueError(f"model {loaded.name} must take images of shape {shape}: {reason}")
    outputs = outputs_of(loaded.model, units(dataset.pixels[:1]), name=loaded.name)
    if outputs.ndim != 2 or len(outputs) != 1:
        raise ValueError(f"model must give scores [N, K], got shape {outputs.shape} for one image")
    classes = max(2, outputs.shape[1])  # one unit has two classes
    if dataset.labels is not None and dataset.labels.max() >= classes:
        raise ValueError(
            f"model must have a score for every label, got {outputs.shape[1]} scores "
            f"and label {dataset.labels.max()}"
        )
    return loaded


def outputs_of(model: Any, images: NDArray[np.float32], *, name: str) -> NDArray[Any]:
    """Outputs of a model for images `[N, H, W, C]`.

    Args:
        model: the Keras model.
        images: in model units.
        name: of the model, for messages.

    Raises:
        ValueError: if the model does not accept such images.
    """
    from tensorflow import errors

    try:
        return np.asarray(model(images, training=False))
    except (ValueError, errors.InvalidArgumentError) as error:
        raise ValueError(
            f"model {name} must take images of shape {images.shape[1:]}: {quote(error)}"
        ) from error
