"""A user's model from a .keras file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from saliency_bench.datasets import archive
from saliency_bench.datasets.arrays import preprocessing
from saliency_bench.datasets.content import as_value_error, digest, quote, require_file
from saliency_bench.models.base import LoadedModel, check_fit
from saliency_bench.protocols import Dataset, Preprocessing


@dataclass(frozen=True)
class Saved:
    """A model saved by Keras 3 with `model.save("name.keras")`.

    Attributes:
        path: the .keras file.
        mean: subtracted from pixels in [0, 1] before they enter the model; one number, or one per
            channel. Without `mean` and `std` the dataset's preprocessing applies; without that too,
            a run decides by what the model itself does to its input.
        std: pixels are divided by it afterwards; one number, or one per channel.
    """

    trains: ClassVar[bool] = False

    path: str
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None

    def __post_init__(self) -> None:
        self._preprocessing()

    def load(self, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
        """Read the model.

        Args:
            dataset: the images that it must accept.
            seed: not used.
            cache: not used.

        Raises:
            ValueError: if the file cannot be read, or the model does not fit the dataset.
            FileNotFoundError: if the file does not exist.
        """
        file = Path(self.path)
        facts = {"file": file.name, "fingerprint": self.fingerprint()}
        return check_fit(LoadedModel(read(file), self._preprocessing(), file.stem, facts), dataset)

    def fingerprint(self) -> str:
        """Hash of the file and of the preprocessing."""
        units = self._preprocessing()
        settings = {"model": "saved", "units": None if units is None else [units.mean, units.std]}
        return digest(settings, [_keras_file(Path(self.path))])

    def _preprocessing(self) -> Preprocessing | None:
        if self.mean is None and self.std is None:
            return None
        return preprocessing(
            0.0 if self.mean is None else self.mean, 1.0 if self.std is None else self.std
        )


def read(path: Path) -> Any:
    """Read the Keras model of a .keras file; code in the file never runs.

    Raises:
        ValueError: if the file is damaged or no .keras file, holds code, or needs a class that
            is not registered.
        FileNotFoundError: if the file does not exist.
    """
    import keras

    file = _keras_file(path)
    with as_value_error(f"{path} cannot be loaded", _reason):
        archive.check_content(file)  # Keras itself does not check checksums
        model = keras.models.load_model(file, compile=False, safe_mode=True)
    if not isinstance(model, keras.Model):
        raise ValueError(f"{path} must hold a Keras model, got {type(model).__name__}")
    return model


def _keras_file(path: Path) -> Path:
    if path.is_dir():
        raise ValueError(f"{path} is a folder (a SavedModel?); save with model.save('name.keras')")
    file = require_file(path)
    if file.suffix != ".keras":
        raise ValueError(f"{path} must end in .keras; save with model.save('name.keras')")
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{path} is not a whole .keras file: it is damaged or of another format")
    return file


_WAY_ON = "give model=function with a function that builds the network and loads its weights"


def _reason(error: BaseException) -> str:
    text = str(error)
    if missing := re.search(r"Could not locate (\w+) '([^']+)'", text):
        kind, name = missing.groups()
        return f"its {kind} {name} is unknown; {_WAY_ON}, or register and import it beforehand"
    if odd := re.search(r"<class '(?:[^']*\.)?([^'.]+)'> could not be deserialized", text):
        return f"its class {odd[1]} cannot be made again from its configuration; {_WAY_ON}"
    if "lambda" in text.lower():
        return "it holds code (a Python lambda), which is refused; save it with a class of its own"
    return f"the file is damaged or of another Keras version ({quote(error)})"
