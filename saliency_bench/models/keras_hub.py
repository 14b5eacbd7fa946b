"""Image classifiers of Keras Hub, with the preprocessing that their presets state."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from saliency_bench.datasets.content import digest, quote
from saliency_bench.models.base import LoadedModel, check_fit
from saliency_bench.models.seeding import fresh_keras
from saliency_bench.protocols import Dataset, Preprocessing, interrupts


@dataclass(frozen=True)
class KerasHub:
    """An image classifier of Keras Hub, which is an extra: `pip install saliency-bench[keras-hub]`.

    Attributes:
        preset: the name of a preset, which is downloaded, or a folder that holds one.
        weights: whether the preset's weights are loaded; else they are random.
        options: other arguments of `ImageClassifier.from_preset`, e.g. `num_classes`.
    """

    trains: ClassVar[bool] = False

    preset: str = "vit_base_patch16_224_imagenet"
    weights: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
        """Build the network and load its weights.

        Args:
            dataset: the images that it must accept.
            seed: of random weights.
            cache: not used.

        Raises:
            ValueError: if Keras Hub is not installed, has no such preset, cannot fetch it, or the
                network does not fit the dataset.
        """
        with fresh_keras(seed):
            model = self._read(_hub())
        facts = {"preset": self._name, "weights": self.weights, "keras_hub": version("keras-hub")}
        return check_fit(LoadedModel(model, preprocessing(model), self._name, facts), dataset)

    def fingerprint(self) -> str:
        """Hash of all settings, of the version of Keras Hub, and of a folder's files."""
        try:
            hub = version("keras-hub")
        except PackageNotFoundError:
            hub = "none"
        folder = Path(self.preset)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        settings = {
            "model": "keras_hub",
            "preset": [str(path.relative_to(folder)) for path in files] or self.preset,
            "weights": self.weights,
            "options": dict(self.options),
            "hub": hub,
        }
        return digest(settings, files)

    @property
    def _name(self) -> str:
        """The preset's name, without the folders around it."""
        return Path(self.preset).name

    def _read(self, hub: Any) -> Any:
        classifier = hub.models.ImageClassifier
        local = Path(self.preset).is_dir()
        known = classifier.presets
        if not local and "://" not in self.preset and self.preset not in known:
            near = difflib.get_close_matches(self.preset, known, n=5, cutoff=0.4) or sorted(known)
            raise ValueError(
                f"preset must be a folder, or one of Keras Hub ({', '.join(near)}); "
                f"got {self.preset!r}"
            )
        try:
            return classifier.from_preset(self.preset, load_weights=self.weights, **self.options)
        except Exception as error:  # each of its sources raises errors of its own
            interrupts.ask()
            wanted = (
                f"preset must be a folder that holds an image classifier; got {self.preset!r}"
                if local
                else f"preset {self.preset!r} of Keras Hub could not be fetched; give a folder "
                "with model.preset=FOLDER"
            )
            raise ValueError(f"{wanted} ({quote(error)})") from error


def _hub() -> Any:
    try:
        import keras_hub
    except ImportError as error:
        raise ValueError(
            "model=keras_hub needs Keras Hub: pip install 'saliency-bench[keras-hub]'"
        ) from error
    return keras_hub


def preprocessing(classifier: Any) -> Preprocessing | None:
    """From pixels in [0, 1] to the units of a classifier; None if its preset states none.

    Keras Hub multiplies pixels from 0 to 255 by `scale` and adds `offset`.

    Args:
        classifier: of Keras Hub.
    """
    converter = getattr(classifier.preprocessor, "image_converter", None)
    if converter is None:
        return None
    factor = 255 * np.atleast_1d(1.0 if converter.scale is None else converter.scale)
    offset = np.atleast_1d(0.0 if converter.offset is None else converter.offset)
    return Preprocessing(mean=tuple((-offset / factor).tolist()), std=tuple((1 / factor).tolist()))
