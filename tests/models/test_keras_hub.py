"""Classifiers of Keras Hub, from folders that the tests write."""

import numpy as np
import pytest

from saliency_bench.models import KerasHub
from saliency_bench.protocols import Dataset

hub = pytest.importorskip("keras_hub")

SIDE = 16
SCALE, OFFSET = (1 / 51, 1 / 102, 1 / 255), (-2.0, -1.0, 0.5)


@pytest.fixture(scope="module")
def classifier():
    backbone = hub.models.ViTBackbone(
        image_shape=(SIDE, SIDE, 3),
        patch_size=4,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    converter = hub.layers.ViTImageConverter(image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET)
    preprocessor = hub.models.ViTImageClassifierPreprocessor(converter)
    return hub.models.ViTImageClassifier(backbone, num_classes=5, preprocessor=preprocessor)


@pytest.fixture(scope="module")
def folder(classifier, tmp_path_factory):
    where = tmp_path_factory.mktemp("presets") / "small_vit"
    classifier.save_to_preset(str(where))
    return where


@pytest.fixture(scope="module")
def dataset():
    pixels = np.random.default_rng(0).random((3, SIDE, SIDE, 3)).astype("float32")
    return Dataset(name="noise", pixels=pixels, labels=np.arange(3))


def test_a_folder_gives_its_network_in_its_units(classifier, folder, dataset, tmp_path):
    loaded = KerasHub(str(folder)).load(dataset, seed=0, cache=tmp_path)
    bytes_ = np.round(dataset.pixels * 255)
    inputs = bytes_ * np.float32(SCALE) + np.float32(OFFSET)
    np.testing.assert_allclose(loaded.preprocessing(bytes_ / 255), inputs, atol=1e-4)
    np.testing.assert_allclose(loaded.preprocessing.inverse(inputs), bytes_ / 255, atol=1e-4)
    np.testing.assert_allclose(loaded.model(inputs), classifier(inputs), atol=1e-5)
    assert loaded.name == "small_vit"


def test_random_weights_follow_the_seed(classifier, folder, dataset, tmp_path):
    one, same, other = (
        KerasHub(str(folder), weights=False).load(dataset, seed=seed, cache=tmp_path).model
        for seed in (0, 0, 1)
    )
    first = [model.get_weights()[0] for model in (one, same, other, classifier)]
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])
    assert not np.array_equal(first[0], first[3])


def test_the_fingerprint_is_that_of_the_folders_content(folder):
    before = KerasHub(str(folder)).fingerprint()
    assert KerasHub(str(folder)).fingerprint() == before
    assert KerasHub(str(folder), weights=False).fingerprint() != before
    (folder / "note.txt").write_text("another file")
    assert KerasHub(str(folder)).fingerprint() != before


def test_an_unknown_preset_names_its_neighbours(dataset, tmp_path):
    with pytest.raises(ValueError, match=r"preset must be .*vit_base_patch16_224_imagenet.*; got"):
        KerasHub("vit_base_patch16_224").load(dataset, seed=0, cache=tmp_path)


def test_a_folder_that_holds_none(dataset, tmp_path):
    with pytest.raises(ValueError, match="preset must be a folder that holds an image classifier"):
        KerasHub(str(tmp_path)).load(dataset, seed=0, cache=tmp_path)


def test_a_preset_that_cannot_be_fetched(dataset, tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no connection")

    monkeypatch.setattr(hub.models.ImageClassifier, "from_preset", offline)
    with pytest.raises(ValueError, match=r"could not be fetched; .*model\.preset=FOLDER \(no conn"):
        KerasHub().load(dataset, seed=0, cache=tmp_path)


def test_images_of_another_size_are_refused(folder, tmp_path):
    pixels = np.zeros((1, SIDE + 4, SIDE, 3), "float32")
    with pytest.raises(ValueError, match="must take images of shape"):
        KerasHub(str(folder)).load(Dataset(name="odd", pixels=pixels), seed=0, cache=tmp_path)
