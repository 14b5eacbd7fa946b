"""Stores trained weights in a file, by position, which also works for subclassed models.

The name of a file says what the network learned. A checksum covers the name and the content: a file
that was copied to the name of another network is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets import archive
from saliency_bench.datasets.content import as_value_error, require_file
from saliency_bench.protocols import Epoch
from saliency_bench.storage.fingerprint import content_key, digest_of_weights
from saliency_bench.storage.store import read_json, write_atomic, write_json


@dataclass(frozen=True)
class StoredWeights:
    """A trained network's weights and its training history.

    Attributes:
        values: of `model.variables`, in their order.
        train_accuracy: accuracy on the training images, in inference mode.
        history: loss and accuracy of each epoch.
    """

    values: Sequence[NDArray[Any]]
    train_accuracy: float
    history: tuple[Epoch, ...]

    @property
    def fingerprint(self) -> str:
        """Hash of the weights; equals `network.fingerprint` of a model with these weights."""
        return digest_of_weights(self.values)


def save(weights: StoredWeights, file: Path) -> None:
    """Write weights as arrays "0", "1", ..., and the rest, to an .npz file; the write is atomic.

    Raises:
        OSError: if it cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        train_accuracy=np.float64(weights.train_accuracy),
        history=np.array(weights.history, np.float64),
        checksum=np.array(_checksum(weights, file)),
        **{str(position): value for position, value in enumerate(weights.values)},
    )
    write_atomic(file, buffer.getvalue())


def read(file: Path) -> StoredWeights:
    """Read a file of `save`.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is damaged, or was saved under another name.
    """
    require_file(file)
    with as_value_error(f"{file} is damaged"), archive.open_checked(file) as stored:
        count = sum(name.isdecimal() for name in archive.array_names(stored))
        weights = StoredWeights(
            values=[archive.read_array(stored, str(position)) for position in range(count)],
            train_accuracy=float(archive.read_array(stored, "train_accuracy")),
            history=tuple(
                (float(loss), float(accuracy))
                for loss, accuracy in archive.read_array(stored, "history")
            ),
        )
        if str(archive.read_array(stored, "checksum")) != _checksum(weights, file):
            raise ValueError("its checksum does not match its name and content")
    return weights


def read_whole(file: Path, tell: Callable[[str], None]) -> StoredWeights | None:
    """What `read` gives; None if the file does not exist, or is told to be damaged.

    Args:
        file: of `save`.
        tell: told why the network is trained again.
    """
    try:
        return read(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        tell(f"training again: {error}")
        return None


def save_accuracy(accuracy: float, file: Path) -> None:
    """Write an accuracy to a json file; its checksum covers the file's name, too.

    Raises:
        OSError: if it cannot be written.
    """
    write_json(file, {"test_accuracy": accuracy, "checksum": _checksum_of(accuracy, file)})


def read_accuracy(file: Path) -> float | None:
    """Read a file of `save_accuracy`; None if it is missing, damaged or of another name."""
    try:
        known = read_json(file) or {}
    except ValueError:
        return None
    accuracy = known.get("test_accuracy")
    whole = isinstance(accuracy, float) and known.get("checksum") == _checksum_of(accuracy, file)
    return accuracy if whole else None


def _checksum(weights: StoredWeights, file: Path) -> str:
    history = [[float(number) for number in epoch] for epoch in weights.history]
    content = [weights.fingerprint, float(weights.train_accuracy), history]
    return content_key({"file": file.name, "content": content})


def _checksum_of(accuracy: float, file: Path) -> str:
    return content_key({"file": file.name, "content": accuracy})
