from dataclasses import replace

import numpy as np
import pytest
from helpers.lazily import keras, keras_models

from saliency_bench.models import CNN, Saved, as_loaded


def network(*layers):
    tail = [keras.layers.Flatten(), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers, *tail])


def saved(model, folder):
    path = folder / "mine.keras"
    model.save(path)
    return str(path)


def test_a_saved_model_comes_back_as_it_was(stripes, tmp_path):
    model = network(keras_models.Doubling())
    loaded = Saved(saved(model, tmp_path)).load(stripes, seed=0, cache=tmp_path)
    assert loaded.name == "mine"
    assert loaded.preprocessing is None
    np.testing.assert_array_equal(loaded.model(stripes.images), model(stripes.images))


def test_its_own_preprocessing_goes_before_the_datasets(stripes, tmp_path):
    settings = Saved(saved(network(), tmp_path), mean=0.25, std=[0.5])
    units = settings.load(stripes, seed=0, cache=tmp_path).preprocessing
    np.testing.assert_allclose(units(np.full((1, 1, 1, 1), 0.75)), 1)
    assert settings.fingerprint() != Saved(settings.path).fingerprint()


def test_a_lambda_is_refused(stripes, tmp_path):
    path = saved(network(keras.layers.Lambda(lambda x: x)), tmp_path)
    with pytest.raises(ValueError, match=r"it holds code .* which is refused"):
        Saved(path).load(stripes, seed=0, cache=tmp_path)


def test_an_unknown_class_is_named(stripes, tmp_path, monkeypatch):
    path = saved(network(keras_models.Doubling()), tmp_path)
    monkeypatch.delitem(keras.saving.get_custom_objects(), "tests>Doubling")
    monkeypatch.setattr(keras_models.Doubling, "__module__", "nowhere")
    with pytest.raises(
        ValueError, match="class Doubling is unknown; give model=function"
    ) as raised:
        Saved(path).load(stripes, seed=0, cache=tmp_path)
    assert "\n" not in str(raised.value)


@keras.saving.register_keras_serializable("tests")
class Forgetful(keras.Model):
    """Its configuration does not hold what its constructor needs."""

    def __init__(self, units):
        super().__init__()
        self.head = keras.layers.Dense(units)

    def call(self, images):
        return self.head(keras.ops.reshape(images, (-1, 32)))

    def get_config(self):
        return {}


def test_a_class_that_cannot_be_made_again_is_named(stripes, tmp_path):
    model = Forgetful(2)
    model(stripes.images[:1])
    path = saved(model, tmp_path)
    with pytest.raises(ValueError, match="class Forgetful cannot be made again") as raised:
        Saved(path).load(stripes, seed=0, cache=tmp_path)
    assert "give model=function" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_damaged_file(stripes, tmp_path):
    path = tmp_path / "mine.keras"
    saved(network(), tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be loaded: the file is damaged"):
        Saved(str(path)).load(stripes, seed=0, cache=tmp_path)


def test_a_models_images_and_classes_must_fit(stripes, tmp_path):
    small = replace(stripes, pixels=stripes.pixels[:, :4])
    with pytest.raises(ValueError, match=r"must take images of shape \(4, 8, 1\)"):
        as_loaded(network(), small, seed=0, cache=tmp_path)
    more = replace(stripes, labels=stripes.labels + 1)
    with pytest.raises(ValueError, match="score for every label, got 2 scores and label 2"):
        as_loaded(network(), more, seed=0, cache=tmp_path)
    body = keras.Sequential([keras.Input((8, 8, 1)), keras_models.Doubling()])
    with pytest.raises(ValueError, match=r"must give scores \[N, K\], got shape \(1, 8, 8, 1\)"):
        as_loaded(body, stripes, seed=0, cache=tmp_path)
    with pytest.raises(ValueError, match="mean must hold 1 number or one for each of 1 channels"):
        Saved(saved(network(), tmp_path), mean=[0.1] * 3).load(stripes, seed=0, cache=tmp_path)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_one_unit_has_a_score_for_two_classes(activation, stripes, tmp_path):
    unit = keras.layers.Dense(1, activation=activation)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), unit])
    assert as_loaded(model, stripes, seed=0, cache=tmp_path).model is model
    more = replace(stripes, labels=stripes.labels + 1)
    with pytest.raises(ValueError, match="score for every label, got 1 scores and label 2"):
        as_loaded(model, more, seed=0, cache=tmp_path)


def test_what_a_target_may_return(stripes, tmp_path):
    model = network()
    assert as_loaded(model, stripes, seed=0, cache=tmp_path).model is model
    with pytest.raises(TypeError, match="must return a Keras model, got str"):
        as_loaded("model", stripes, seed=0, cache=tmp_path)
    with pytest.raises(ValueError, match="training needs labelled images"):
        as_loaded(CNN(), replace(stripes, train_labels=None), seed=0, cache=tmp_path)
