"""Small images and networks as files, good ones and many that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIDE, CLASSES = 12, 3


def images(count=8):
    """Noise with a bright spot whose place is the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    pixels = rng.random((count, SIDE, SIDE, 1)) / 2
    for image, label in zip(pixels, labels, strict=True):
        image[4 * label : 4 * label + 4, 4:8] += 0.5
    return pixels.astype(np.float32), labels


def write_images(folder: Path) -> None:
    """Images `good.npz` and many that are not good, into a folder."""
    x, y = images()
    spoiled = x.copy()
    spoiled[2, 1, 0, 0] = np.nan
    arrays = {
        "good": {"x": x, "y": y},
        "unlabelled": {"x": x},
        "no_x": {"images": x},
        "nan": {"x": spoiled, "y": y},
        "bytes_as_floats": {"x": 255 * x, "y": y},
        "integers": {"x": (255 * x).astype(int), "y": y},
        "five_axes": {"x": x[None], "y": y[:1]},
        "empty": {"x": x[:0], "y": y[:0]},
        "objects": {"x": np.array([[[None]]], dtype=object)},
        "too_few_labels": {"x": x, "y": y[:-1]},
        "negative_label": {"x": x, "y": y - 1},
        "large_label": {"x": x, "y": y + 7},
        "one_hot": {"x": x, "y": np.eye(CLASSES)[y]},
        "larger": {"x": np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)]), "y": y},
        "colour": {"x": np.repeat(x, 3, axis=-1), "y": y},
    }
    for name, content in arrays.items():
        np.savez(folder / f"{name}.npz", **content)
    whole = (folder / "good.npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (folder / "text.npz").write_text("x, y\n")


def write_networks(folder: Path) -> None:
    """Networks for `good.npz`, `cnn.keras` and `mlp.keras`, and unusable ones, into a folder."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    bodies = {
        "cnn": [layers.Conv2D(3, 3, activation="relu", name="conv"), layers.Flatten()],
        "mlp": [layers.Flatten(), layers.Dense(40, activation="tanh")],
        "code": [layers.Lambda(lambda x: 2 * x), layers.Flatten()],
    }
    for name, body in bodies.items():
        model = keras.Sequential([keras.Input((SIDE, SIDE, 1)), *body, layers.Dense(CLASSES)])
        fit_head(keras.Sequential(body), model.layers[-1])
        model.save(folder / f"{name}.keras")
    keras.Sequential([keras.Input((SIDE, SIDE, 1)), layers.Conv2D(1, 3)]).save(
        folder / "image.keras"
    )
    whole = (folder / "cnn.keras").read_bytes()
    (folder / "cut.keras").write_bytes(whole[: len(whole) // 2])
    (folder / "text.keras").write_text("a model")
    (folder / "hdf5.keras").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (folder / "hdf5.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 0xFF
    (folder / "damaged.keras").write_bytes(damaged)


def fit_head(body, head):
    """Least squares for the last layer: the network is right without being trained."""
    x, y = images(64)
    features = np.asarray(body(x))
    kernel = np.linalg.lstsq(features, np.eye(CLASSES)[y], rcond=None)[0]
    head.set_weights([kernel, np.zeros(CLASSES)])
