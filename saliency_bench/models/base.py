"""What a model group member offers, and the check that a model fits its images."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.arrays import check_channels
from saliency_bench.protocols import Dataset, Preprocessing


@dataclass(frozen=True)
class LoadedModel:
    """A built Keras model, ready to be looked at.

    Attributes:
        model: the Keras model; images in model units to class scores `[N, K]`.
        preprocessing: pixels in [0, 1] to model units, or None: the dataset's.
        name: what the report calls it.
        facts: where the weights come from, for the provenance.
    """

    model: Any
    preprocessing: Preprocessing | None
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Model(Protocol):
    """Settings from which a model is trained or loaded.

    Attributes:
        trains: whether the dataset must bring labelled images to train on.
    """

    trains: ClassVar[bool]

    def load(self, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
        """The model for this dataset; whatever is trained is kept in `cache`."""
        ...

    def fingerprint(self) -> str:
        """Hash of the settings and of the files' content; starts no TensorFlow."""
        ...


def as_loaded(model: Any, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
    """The model of a config's `_target_`: ours, or any callable's that returned a Keras model.

    Raises:
        TypeError: it is neither.
        ValueError: it cannot be had, or does not fit the dataset.
    """
    if isinstance(model, Model):
        return model.load(dataset, seed=seed, cache=cache)
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"a model's _target_ must return a Keras model, got {type(model).__name__}")
    return check_fit(LoadedModel(model, None, model.name), dataset)


def check_fit(loaded: LoadedModel, dataset: Dataset) -> LoadedModel:
    """The same model, once one image has passed through it.

    Raises:
        ValueError: it does not take such images, or does not give a score for every class.
    """
    units = loaded.preprocessing or dataset.preprocessing
    check_channels(units, dataset.pixels.shape[-1])
    outputs = outputs_of(loaded.model, units(dataset.pixels[:1]), name=loaded.name)
    if outputs.ndim != 2 or len(outputs) != 1:
        raise ValueError(f"model must give scores [N, K], got shape {outputs.shape} for one image")
    if dataset.labels is not None and dataset.labels.max() >= outputs.shape[1]:
        raise ValueError(
            f"model must have a score for every label, got {outputs.shape[1]} scores "
            f"and label {dataset.labels.max()}"
        )
    return loaded


def one_line(error: BaseException) -> str:
    """An error's message, or its start, on one line."""
    return textwrap.shorten(str(error), width=240, placeholder=" ...")


def outputs_of(model: Any, images: NDArray[np.float32], *, name: str) -> NDArray[Any]:
    """What a model gives for images `[N, H, W, C]`.

    Raises:
        ValueError: it does not take such images.
    """
    from tensorflow import errors

    try:
        return np.asarray(model(images, training=False))
    except (ValueError, errors.InvalidArgumentError) as error:
        raise ValueError(
            f"model {name} must take images of shape {images.shape[1:]}: {one_line(error)}"
        ) from error
