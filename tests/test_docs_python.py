"""What docs/python.md shows works as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.lazily import keras, tf

import saliency_bench as sb

TEXT = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
EXTRA = {"tensorflow_datasets", "datasets", "keras_hub"}

N = 8
rng = np.random.default_rng(0)
BYTES = rng.integers(0, 256, (N, 12, 12), dtype=np.uint8)
IMAGES = (BYTES[..., None] / 255).astype(np.float32)
LABELS = np.arange(N) % 10

pytestmark = pytest.mark.usefixtures("without_figures")


def snippet(word):
    (found,) = [text for text in SNIPPETS if word in text]
    return found


def needs(text):
    return set(re.findall(r"^import (\w+)", text, re.MULTILINE)) & EXTRA


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What the page takes as given."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(2, 3, strides=2), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((12, 12, 1)), *layers])
    return {"model": model, "images": IMAGES, "labels": LABELS, "tf": tf, "sb": sb}


def run(text, names):
    exec(compile(text, "python.md", "exec"), names)
    return names


def test_all_snippets_of_the_library_alone_run_one_after_the_other(names):
    for text in SNIPPETS:
        if not needs(text):
            run(text, names)
    assert "n_images=48, but there are 8 images" in names["results"].provenance["warnings"]
    assert Path("results/mine/report.md").exists()
    assert names["again"].summary.equals(names["results"].summary)
    assert {"gradient", "smoothgrad"} <= set(names["both"].verdicts["explainer"])


def test_with_tensorflow_datasets(names, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")

    def load(name, *, split, as_supervised):
        assert (name, split, as_supervised) == ("mnist", "test", True)
        return tf.data.Dataset.from_tensor_slices((BYTES[..., None], LABELS))

    monkeypatch.setattr(tfds, "load", load)
    results = run(snippet("tfds.load"), names)["results"]
    assert results.provenance["images_hash"] == hash_of_images(names)


def test_with_hugging_face_datasets(names, monkeypatch):
    hf = pytest.importorskip("datasets")
    if not hasattr(hf, "load_dataset"):  # it is the folder of tests of this name
        pytest.skip("could not import Hugging Face's datasets")
    image = pytest.importorskip("PIL.Image")

    def load_dataset(name, *, split):
        pictures = [image.fromarray(pixels) for pixels in BYTES]
        features = hf.Features({"image": hf.Image(), "label": hf.ClassLabel(10)})
        rows = {"image": pictures, "label": LABELS.tolist()}
        return hf.Dataset.from_dict(rows, features=features)

    monkeypatch.setattr(hf, "load_dataset", load_dataset)
    results = run(snippet("load_dataset"), names)["results"]
    assert results.provenance["images_hash"] == hash_of_images(names)


def hash_of_images(names):
    options = sb.Options(draws=1)
    asked = {"explainers": "gradient", "similarities": "spearman_signed", "options": options}
    return sb.evaluate(names["model"], IMAGES, LABELS, **asked).provenance["images_hash"]


def test_with_a_classifier_of_keras_hub(names, tmp_path):
    hub = pytest.importorskip("keras_hub")
    backbone = hub.models.ViTBackbone(
        image_shape=(16, 16, 3), patch_size=8, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16
    )
    converter = hub.layers.ViTImageConverter(image_size=(16, 16), scale=1 / 127.5, offset=-1.0)
    preprocessor = hub.models.ViTImageClassifierPreprocessor(converter)
    small = hub.models.ViTImageClassifier(backbone, num_classes=5, preprocessor=preprocessor)
    small.save_to_preset(str(tmp_path / "small"))
    text = snippet("keras_hub").replace("vit_base_patch16_224_imagenet", str(tmp_path / "small"))
    names["photos"] = rng.integers(0, 256, (5, 16, 16, 3)).astype(np.float32)
    found = run(text, names)
    np.testing.assert_allclose(found["inputs"], names["photos"] / 127.5 - 1, atol=1e-5)
    assert set(found["results"].verdicts["explainer"]) >= {"gradient", "smoothgrad"}
