"""Data and models that cannot be used: refused in one line, nothing computed is lost."""

import subprocess
import sys

import pytest

IMAGES = [
    ("no_x", "['images']", "an array x"),
    ("nan", "nan at index [2, 1, 0, 0]", "in [0, 1]"),
    ("bytes_as_floats", "at index", "uint8 from 0 to 255 or floats"),
    ("integers", "int64", "uint8 from 0 to 255 or floats"),
    ("five_axes", "(1, 8, 12, 12, 1)", "[N, H, W, C]"),
    ("empty", "(0, 12, 12, 1)", "not be empty"),
    ("objects", "Object arrays", "an array of numbers"),
    ("too_few_labels", "got 7 for 8", "one label per image"),
    ("negative_label", "got -1", "whole numbers from 0 on"),
    ("large_label", "label 9", "a score for every label, got 3"),
    ("one_hot", "(8, 3)", "one class index per image"),
    ("larger", "(16, 16, 1)", "must take images of shape"),
    ("colour", "(12, 12, 3)", "must take images of shape"),
    ("unlabelled", "unlabelled has none", "target=predicted"),
    ("cut", "cut.npz", "not a whole .npz file"),
    ("text", "text.npz", "numpy.savez"),
]

MODELS = [
    ("text.keras", "text.keras", "not a whole .keras file"),
    ("cut.keras", "cut.keras", "not a whole .keras file"),
    ("damaged.keras", "damaged.keras", "damaged"),
    ("hdf5.keras", "hdf5.keras", "not a whole .keras file"),
    ("hdf5.h5", "hdf5.h5", "must end in .keras"),
    ("code.keras", "code", "a Python lambda"),
    ("image.keras", "(1, 10, 10, 1)", "scores [N, K]"),
]

UNFIT = [
    ("check.param_randomization.stages=99", "got 99", "1..2"),
    ("check.param_randomization.exclude=[nope]", "nope", "conv"),
    ("explainer=[grad_cam] explainer.grad_cam.layer=nope", "'nope'", "conv"),
    ("model=application model.name=MobilNet", "MobilNet", "MobileNet"),
    ("model=application model.weights=null +model.options.alfa=1", "alfa", "MobileNet"),
    ("model=function model._target_=builtins.str", "got str", "a Keras model"),
    ("model=function model._target_=os.path", "os.path", "a function or class"),
    ("model=function model._target_=sys.exit", "model", "ended the process by sys.exit"),
    ("model=function model._target_=os.getpid +model.nope=1", "keyword", "model: "),
]


@pytest.mark.parametrize(("name", "value", "right"), IMAGES, ids=[name for name, _, _ in IMAGES])
def test_images(refused, small, files, name, value, right):
    told = refused(*small, f"dataset.path={files}/{name}.npz")
    assert value in told
    assert right in told


@pytest.mark.parametrize(("name", "value", "right"), MODELS, ids=[name for name, _, _ in MODELS])
def test_models(refused, small, networks, name, value, right):
    told = refused(*small, f"model.path={networks}/{name}")
    assert value in told
    assert right in told


@pytest.mark.parametrize(("line", "value", "right"), UNFIT, ids=[line for line, _, _ in UNFIT])
def test_settings_that_do_not_fit_the_model(refused, small, line, value, right):
    own = [part for part in small if "model=" not in line or not part.startswith("model")]
    told = refused(*own, *line.split())
    assert value in told
    assert right in told


SUBCLASSED = """
import keras
import numpy as np

class Subclassed(keras.Model):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.flatten, self.head = keras.layers.Flatten(), keras.layers.Dense(3)

    def call(self, images):
        return self.head(self.flatten(images))

def network(weights):
    model = Subclassed()
    model(np.zeros((1, 12, 12, 1), np.float32))
    model.load_weights(weights)
    return model
"""
SAVE = f"""{SUBCLASSED}
keras.utils.set_random_seed(0)
model = Subclassed()
model(np.zeros((1, 12, 12, 1), np.float32))
model.save("net.keras")
model.save_weights("net.weights.h5")
"""


def test_a_subclassed_model_is_refused_as_a_file_and_taken_from_a_function(
    refused, command, small, files, tmp_path, without_figures
):
    subprocess.run([sys.executable, "-c", SAVE], cwd=tmp_path, check=True)
    (tmp_path / "own_subclassed.py").write_text(SUBCLASSED)
    told = refused(*small, "model.path=net.keras")
    assert "its class Subclassed is unknown; give model=function with a function" in told
    assert len(told) <= 300
    own = [part for part in small if not part.startswith("model")]
    own += ["model=function", "model._target_=own_subclassed.network"]
    own += ["+model.weights=net.weights.h5", f"dataset.path={files}/unlabelled.npz"]
    assert command(*own, "target=predicted").status == 0


def test_no_explainer_applies(refused, small, networks):
    told = refused(*small, f"model.path={networks}/mlp.keras", "explainer=[grad_cam]")
    assert "an explainer must apply to this model; grad_cam: " in told
    assert "feature map" in told


def test_guided_backprop_without_a_relu(refused, small, networks):
    told = refused(*small, f"model.path={networks}/mlp.keras", "explainer=[guided_backprop]")
    assert "ReLU" in told


def test_only_controls_are_chosen(refused, small):
    assert "one that is no control" in refused(*small, "explainer=[constant]")
