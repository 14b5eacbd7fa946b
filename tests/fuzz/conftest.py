"""A place in which everything that is written shows, and a network that is whole."""

import tempfile
from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class Good:
    """A network as a file, and images on which it is right."""

    file: bytes
    pixels: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """A network for images of 8 x 8 pixels, right on each of 24 that are noise."""
    import keras

    keras.utils.set_random_seed(0)
    pixels = np.random.default_rng(0).random((24, 8, 8, 1)).astype(np.float32)
    layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3, activation="relu", name="conv2d")]
    layers += [keras.layers.Flatten(), keras.layers.Dense(3, name="dense")]
    model = keras.Sequential(layers)
    model.layers[-1].bias.assign(-np.asarray(model(pixels)).mean(axis=0))
    scores = np.asarray(model(pixels))
    file = tmp_path_factory.mktemp("good") / "good.keras"
    model.save(file)
    return Good(file.read_bytes(), pixels, scores.argmax(axis=1), scores)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory deep in a folder of the test's own, in which temporary files lie too."""
    folder = tmp_path / "with space" / "schön 🐈" / "work"
    temporary = tmp_path / "temporary" / "files"
    for path in (folder, temporary):
        path.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return folder
