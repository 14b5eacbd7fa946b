"""A run whose network gets another input than it was made for: mended, or refused at once."""

import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("without_figures")

COUNT, CLASSES = 30, 3
LINE = [
    "dataset=npz", "dataset.path=pictures.npz", "model=saved", "model.path=net.keras",
    "explainer=[gradient]", "similarity=[spearman_abs]", "draws=1", f"n_images={COUNT}",
    "check.param_randomization.stages=1", "run_dir=run", "+experiment=param_randomization",
]  # fmt: skip


def write(*first, labels=0, bias=0.0):
    """Pictures whose bright channel is their class, and a network that begins with `first`.

    It scores the mean of each channel; with a bias, class 0 where the input is dark.
    """
    import keras

    rng = np.random.default_rng(0)
    classes = np.arange(COUNT) % CLASSES
    pixels = rng.integers(0, 128, (COUNT, 8, 8, 3))
    pixels[np.arange(COUNT), :, :, classes] += 127
    np.savez("pictures.npz", x=pixels.astype(np.uint8), y=classes + labels)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), *first, layers.GlobalAveragePooling2D(), layers.Dense(5)]
    )
    model.layers[-1].set_weights([np.eye(3, 5), np.array([bias, 0, 0, -9e3, -9e3])])
    model.save("net.keras")


def provenance():
    return json.loads(Path("run/provenance.json").read_text())


def test_a_network_that_rescales_bytes_gets_them(command):
    import keras

    write(keras.layers.Rescaling(1 / 255), bias=0.1)
    done = command(*LINE)
    assert done.status in (0, 1)  # a run this small may end without a verdict
    (line,) = [line for line in done.err.splitlines() if "rescale" in line]
    assert f"so it gets these (right on {COUNT} of {COUNT} images with them, on 10" in line
    assert provenance()["preprocessing"]["std"] == [1 / 255]
    assert provenance()["accuracy"] == 1
    assert any("so it gets these" in warning for warning in provenance()["warnings"])
    assert command(*LINE).out == done.out  # recognised, as its request is the same


def test_what_is_set_is_refused_at_once_where_another_input_is_far_better(refused):
    import keras

    write(keras.layers.Rescaling(1 / 255), bias=0.1)
    line = refused(*LINE, "model.mean=0", "model.std=1")
    assert f"right on 10 of {COUNT} images, not better than chance (0.33)" in line
    assert f"right on {COUNT} of {COUNT} if it gets pixels in [0, 255]" in line
    assert "std=[0.00392157]" in line
    assert not list(Path("run").glob("**/*.npz"))


def test_channels_in_another_order_are_refused(refused):
    write()
    import keras

    model = keras.saving.load_model("net.keras")
    model.layers[-1].set_weights([np.eye(3, 5)[::-1], model.layers[-1].bias.numpy()])
    model.save("net.keras")
    assert "if it gets BGR pixels" in refused(*LINE)


def test_labels_that_are_off_by_one_are_refused(refused):
    write(labels=1)
    assert f"right on {COUNT} of {COUNT} if -1 is added to each label" in refused(*LINE)


def test_a_network_at_chance_is_told_before_the_run_goes_on(command):
    write(bias=9e4)
    done = command(*LINE)
    first = done.err.splitlines()[0]
    assert f"right on 10 of {COUNT} images, not better than chance (0.33)" in first
    assert "the range, the channels or the classes may be others" in first
    assert provenance()["warnings"][0] in first
