"""dataset=function from the command line: any function or class that returns images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("without_figures")

OWN = """
import keras
import numpy as np
import tensorflow as tf


def arrays(path, shift=0.0):
    stored = np.load(path)
    return stored["x"] + np.float32(shift), stored["y"]


def batches(path):
    return tf.data.Dataset.from_tensor_slices(arrays(path)).batch(3).repeat()


class Batches(keras.utils.PyDataset):
    def __init__(self, path):
        super().__init__()
        self.x, self.y = arrays(path)

    def __len__(self):
        return 4

    def __getitem__(self, place):
        return self.x[2 * place : 2 * place + 2], np.eye(3)[self.y[2 * place : 2 * place + 2]]


def split(path):
    x, y = arrays(path)
    return (x, y), (x, y[:, None])


def wrong(path):
    return {"x": 0}
"""


@pytest.fixture
def own(small, files, tmp_path):
    """A run on what a function of the working directory returns."""
    (tmp_path / "cli_own_data.py").write_text(OWN)
    rest = [part for part in small if not part.startswith("dataset")]

    def arguments(name):
        data = ["dataset=function", f"dataset._target_=cli_own_data.{name}"]
        return [*rest, *data, f"+dataset.path={files}/good.npz"]

    return arguments


def read(folder, name="scores.parquet"):
    return pd.read_parquet(Path(folder) / name)


@pytest.fixture
def of_npz(command, small):
    assert command(*small, "run_dir=npz").status == 0
    return read("npz")


@pytest.mark.parametrize("name", ["arrays", "batches", "Batches", "split"])
def test_the_scores_are_those_of_the_same_images_in_a_file(command, own, of_npz, name):
    done = command(*own(name))
    assert done.status == 0, done.err
    pd.testing.assert_frame_equal(read("run"), of_npz, check_exact=True)
    facts = json.loads(Path("run/provenance.json").read_text())
    assert facts["dataset"] == name


def test_other_images_of_the_same_function_are_not_taken_for_the_old_ones(
    command, own, files, tmp_path
):
    """The source of the function is the same; the file that it reads is not."""
    line = [part.replace(str(files / "good.npz"), "mine.npz") for part in own("arrays")]
    stored = dict(np.load(files / "good.npz"))
    np.savez("mine.npz", **stored)
    assert command(*line).status == 0
    first = json.loads(Path("run/provenance.json").read_text())["images_hash"]
    assert command(*line).status == 0
    assert json.loads(Path("run/provenance.json").read_text())["images_hash"] == first
    np.savez("mine.npz", x=stored["x"][::-1], y=stored["y"][::-1])
    assert command(*line).status in (0, 1)
    assert json.loads(Path("run/provenance.json").read_text())["images_hash"] != first


def test_units_and_arguments_are_told_apart(command, own):
    assert command(*own("arrays"), "dataset.mean=0.5", "dataset.std=[0.5]").status in (0, 1)
    units = json.loads(Path("run/provenance.json").read_text())["preprocessing"]
    assert (units["mean"], units["std"]) == ([0.5], [0.5])


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("arrays", "dataset.mean=grey", "dataset.mean must be a finite number or a list"),
        ("arrays", "dataset.limit=0", "limit must be at least 1, got 0"),
        ("arrays", "+dataset.nope=1", "unexpected keyword argument 'nope'"),
        ("arrays", "+dataset.shift=5", "floats that are finite and in [0, 1]"),
        ("nope", "seed=0", "cli_own_data"),
        ("wrong", "seed=0", "dataset wrong must return images, (images, labels)"),
    ],
)
def test_mistakes_are_one_line(refused, own, name, change, rule):
    assert rule in refused(*own(name), change)


def test_a_network_to_train_needs_images_to_train_on(refused, own):
    line = [part for part in own("arrays") if not part.startswith("model")]
    assert "a function returns them with the others" in refused(*line, "model=mlp")
