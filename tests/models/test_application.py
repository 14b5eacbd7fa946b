import random

import numpy as np
import pytest
from helpers.lazily import keras

from saliency_bench.models import Application
from saliency_bench.models.application import FAMILIES
from saliency_bench.protocols import Dataset

SMALL = {"weights": None, "classes": 3, "options": {"alpha": 0.25}}


@pytest.fixture(scope="module")
def photos():
    pixels = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    return Dataset(name="photos", pixels=pixels, labels=np.array([0, 2]))


@pytest.fixture(scope="module")
def loaded(photos, tmp_path_factory):
    return Application(**SMALL).load(photos, seed=0, cache=tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("family", FAMILIES)
def test_preprocessing_is_that_of_keras(family, photos):
    reference = getattr(keras.applications, family).preprocess_input(255 * photos.pixels)
    units = FAMILIES[family]
    np.testing.assert_allclose(units(photos.pixels), reference, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(units.inverse(reference), photos.pixels, atol=1e-5)


def test_every_network_of_keras_has_a_family():
    constructors = [
        getattr(keras.applications, n) for n in dir(keras.applications) if n[0].isupper()
    ]
    assert {constructor.__module__.rpartition(".")[2] for constructor in constructors} <= set(
        FAMILIES
    )


def test_options_reach_the_constructor(loaded):
    reference = keras.applications.MobileNet(
        input_shape=(32, 32, 3), alpha=0.25, classes=3, weights=None
    )
    assert loaded.model.count_params() == reference.count_params()
    assert loaded.preprocessing == FAMILIES["mobilenet"]


def test_the_seed_draws_the_weights_and_nothing_else(loaded, photos, tmp_path):
    state = random.getstate()
    again = Application(**SMALL).load(photos, seed=0, cache=tmp_path).model
    other = Application(**SMALL).load(photos, seed=1, cache=tmp_path).model
    assert random.getstate() == state
    np.testing.assert_array_equal(again.get_weights()[0], loaded.model.get_weights()[0])
    assert not np.array_equal(other.get_weights()[0], again.get_weights()[0])


def test_a_file_of_weights(loaded, photos, tmp_path):
    path = tmp_path / "own.weights.h5"
    loaded.model.save_weights(path)
    settings = Application(**{**SMALL, "weights": str(path)})
    model = settings.load(photos, seed=1, cache=tmp_path).model
    images = loaded.preprocessing(photos.pixels)
    np.testing.assert_array_equal(
        model(images, training=False), loaded.model(images, training=False)
    )
    wider = Application(weights=str(path), classes=3, options={"alpha": 0.5})
    with pytest.raises(ValueError, match="does not hold weights of this network") as raised:
        wider.load(photos, seed=0, cache=tmp_path)
    assert "\n" not in str(raised.value)


def test_weights_that_cannot_be_downloaded(photos, tmp_path, monkeypatch):
    def offline(*_, **__):
        raise Exception("URL fetch failure on x\nmore")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", offline)
    settings = Application(input_shape=(224, 224, 3))
    with pytest.raises(ValueError, match=r"could not be downloaded.*model\.weights=FILE"):
        settings.load(photos, seed=0, cache=tmp_path)


def test_a_name_that_is_none(photos, tmp_path):
    with pytest.raises(ValueError, match=r"MobileNet.*got MobilNet$"):
        Application("MobilNet").load(photos, seed=0, cache=tmp_path)


def test_an_argument_that_is_none(photos, tmp_path):
    settings = Application(weights=None, options={"alfa": 0.5})
    with pytest.raises(ValueError, match=r"MobileNet cannot be built: .*alfa"):
        settings.load(photos, seed=0, cache=tmp_path)
