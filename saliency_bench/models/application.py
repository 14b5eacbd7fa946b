"""The networks of `keras.applications`, with the preprocessing each was trained with."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from saliency_bench.datasets.content import as_value_error, digest, quote, require_file
from saliency_bench.models.base import LoadedModel, check_fit
from saliency_bench.models.seeding import fresh_keras
from saliency_bench.protocols import Dataset, Preprocessing, interrupts

_MINUS_ONE_TO_ONE = Preprocessing(mean=(0.5,), std=(0.5,))
_IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_CAFFE = Preprocessing(
    mean=(103.939 / 255, 116.779 / 255, 123.68 / 255), std=(1 / 255,), reverse_channels=True
)

BYTES = Preprocessing(std=(1 / 255,))
"""Pixels from 0 to 255."""

RANGES: Mapping[str, Preprocessing] = MappingProxyType(
    {
        "pixels in [0, 1]": Preprocessing(),
        "pixels in [-1, 1]": _MINUS_ONE_TO_ONE,
        "pixels in [0, 255]": BYTES,
        "pixels less ImageNet's mean by its std": _IMAGENET,
        "BGR pixels less ImageNet's mean": _CAFFE,
        "BGR pixels in [0, 1]": Preprocessing(reverse_channels=True),
        "BGR pixels in [0, 255]": replace(BYTES, reverse_channels=True),
    }
)
"""What networks usually take, in words."""

FAMILIES: Mapping[str, Preprocessing] = MappingProxyType(
    {
        "convnext": BYTES,
        "densenet": _IMAGENET,
        "efficientnet": BYTES,
        "efficientnet_v2": BYTES,
        "inception_resnet_v2": _MINUS_ONE_TO_ONE,
        "inception_v3": _MINUS_ONE_TO_ONE,
        "mobilenet": _MINUS_ONE_TO_ONE,
        "mobilenet_v2": _MINUS_ONE_TO_ONE,
        "mobilenet_v3": BYTES,
        "nasnet": _MINUS_ONE_TO_ONE,
        "resnet": _CAFFE,
        "resnet_v2": _MINUS_ONE_TO_ONE,
        "vgg16": _CAFFE,
        "vgg19": _CAFFE,
        "xception": _MINUS_ONE_TO_ONE,
    }
)
"""Preprocessing of pixels in [0, 1], by module of `keras.applications`."""

OWN_OPTIONS = frozenset(
    {"classes", "include_preprocessing", "include_top", "input_shape", "weights"}
)
"""Constructor arguments that `options` must not set."""


@dataclass(frozen=True)
class Application:
    """A network of `keras.applications`.

    Attributes:
        name: the name of its constructor.
        weights: "imagenet" (downloaded), a file of weights (.weights.h5 or .h5), or None: random.
        input_shape: height, width and channels; None: those of the dataset.
        classes: number of classes.
        options: other arguments of the constructor, e.g. `alpha`.
    """

    trains: ClassVar[bool] = False

    name: str = "MobileNet"
    weights: str | None = "imagenet"
    input_shape: Sequence[int] | None = None
    classes: int = 1000
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if forbidden := OWN_OPTIONS.intersection(self.options):
            names = ", ".join(sorted(OWN_OPTIONS))
            raise ValueError(f"options must not set {names}, got {forbidden}")

    def load(self, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
        """Build the network and load its weights.

        Args:
            dataset: the images that it must accept.
            seed: of random weights, if `weights` is None.
            cache: not used.

        Raises:
            ValueError: if there is no such network, its weights cannot be loaded, or it does not
                fit the dataset.
            FileNotFoundError: if the file of weights does not exist.
        """
        constructor = _constructor(self.name)
        units = _preprocessing(constructor)
        with fresh_keras(seed):
            model = self._build(constructor, self.input_shape or dataset.pixels.shape[1:])
        file = self._weights_file()
        if file is not None:
            _read_weights(model, file)
        facts = {"weights": self.weights if file is None else file.name, **self.options}
        return check_fit(LoadedModel(model, units, self.name, facts), dataset)

    def fingerprint(self) -> str:
        """Hash of all settings and of the file of weights."""
        file = self._weights_file()
        settings = {
            "model": "application",
            "name": self.name,
            "weights": self.weights if file is None else "file",
            "input_shape": self.input_shape,
            "classes": self.classes,
            "options": dict(self.options),
        }
        return digest(settings, [] if file is None else [file])

    def _weights_file(self) -> Path | None:
        return None if self.weights in (None, "imagenet") else require_file(str(self.weights))

    def _build(self, constructor: Any, shape: Sequence[int]) -> Any:
        try:
            return constructor(
                weights="imagenet" if self.weights == "imagenet" else None,
                input_shape=tuple(shape),
                classes=self.classes,
                **self.options,
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.name} cannot be built: {quote(error)}") from error
        except Exception as error:  # Keras raises `Exception` itself if a download fails
            interrupts.ask()
            raise ValueError(
                f"ImageNet weights of {self.name} could not be downloaded; give a file with "
                f"model.weights=FILE ({quote(error)})"
            ) from error


def _constructor(name: str) -> Any:
    import keras

    known = [entry for entry in dir(keras.applications) if entry[0].isupper()]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=5, cutoff=0.4) or known
        raise ValueError(f"name must be one of keras.applications ({', '.join(near)}), got {name}")
    return getattr(keras.applications, name)


def _preprocessing(constructor: Any) -> Preprocessing:
    family = constructor.__module__.rpartition(".")[2]
    if family not in FAMILIES:
        raise ValueError(
            f"name must be of a family with known preprocessing ({', '.join(FAMILIES)}), "
            f"got {constructor.__name__} of {family}; save the model and use model=saved"
        )
    return FAMILIES[family]


def _read_weights(model: Any, file: Path) -> None:
    rule = f"{file} does not hold weights of this network"
    with as_value_error(rule), warnings.catch_warnings():
        # For layers without weights in the file, Keras only warns.
        warnings.simplefilter("error", UserWarning)
        model.load_weights(file)
