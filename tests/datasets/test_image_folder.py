import json

import numpy as np
import pytest
from PIL import Image

from saliency_bench.datasets import ImageFolder, image_folder


def paint(path, colour, size=(8, 8)):
    """A photo of one colour, `size` being width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Three classes of four photos; the class sets red, the photo sets green."""
    for number, name in enumerate(["cat", "dog", "owl"]):
        for photo in range(4):
            paint(tmp_path / "photos" / name / f"{photo}.png", (10 * number, 20 * photo, 0))
    return tmp_path / "photos"


def load(path, **settings):
    return ImageFolder(str(path), size=(4, 4), **settings).load()


def test_labels_are_those_of_the_sub_folders(folder):
    dataset = load(folder)
    assert dataset.pixels.shape == (12, 4, 4, 3)
    assert dataset.classes == ("cat", "dog", "owl")
    np.testing.assert_allclose(dataset.pixels[:, 0, 0, 0] * 255, 10 * dataset.labels, atol=1e-4)


@pytest.mark.parametrize("limit", [3, 6, 9])
def test_a_limit_is_spread_over_the_classes(folder, limit):
    dataset = load(folder, limit=limit)
    np.testing.assert_array_equal(np.bincount(dataset.labels), [limit // 3] * 3)
    np.testing.assert_array_equal(dataset.pixels, load(folder).pixels[:limit])


def test_a_flat_folder_has_no_labels(folder):
    dataset = load(folder / "dog")
    assert dataset.labels is None
    assert dataset.classes == ()
    np.testing.assert_allclose(dataset.pixels[:, 0, 0, 1] * 255, [0, 20, 40, 60], atol=1e-4)


def test_an_index_gives_the_class_numbers(folder, tmp_path):
    index = tmp_path / "index.json"
    entries = {"0": ["fox", "Fox"], "1": ["owl", "Owl"], "2": ["dog", "Dog"], "3": ["cat", "Cat"]}
    index.write_text(json.dumps(entries))
    dataset = load(folder, classes=str(index))
    assert dataset.classes == ("Fox", "Owl", "Dog", "Cat")
    reds = dataset.pixels[:, 0, 0, 0] * 255
    np.testing.assert_allclose(reds, 10 * (3 - dataset.labels), atol=1e-4)


def test_the_centre_is_cut_out(tmp_path):
    image = np.zeros((6, 12, 3), np.uint8)
    image[:, 3:9] = 255
    (tmp_path / "wide").mkdir()
    Image.fromarray(image).save(tmp_path / "wide" / "photo.png")
    assert ImageFolder(str(tmp_path / "wide"), size=(6, 6)).load().images.min() == 1


def test_photos_to_train_on(folder, tmp_path):
    paint(tmp_path / "learn" / "owl" / "0.jpg", (20, 0, 0))
    settings = ImageFolder(str(folder), size=(4, 4), train_path=str(tmp_path / "learn"))
    np.testing.assert_array_equal(settings.load().train_labels, [2])
    assert settings.load(train=False).train_pixels is None
    paint(tmp_path / "learn" / "elk" / "0.jpg", (20, 0, 0))
    with pytest.raises(ValueError, match="one of the 3 classes, got elk"):
        settings.load()


def test_grey_photos_become_rgb(tmp_path):
    for name, mode in (("a.png", "L"), ("b.png", "1"), ("c.png", "RGB")):
        Image.new(mode, (5, 5)).save(tmp_path / name)
    assert load(tmp_path).pixels.shape == (3, 4, 4, 3)


def test_channels_are_the_model_s(tmp_path):
    Image.new("RGB", (5, 5), (51, 51, 51)).save(tmp_path / "a.png")
    grey = load(tmp_path, channels=1)
    np.testing.assert_allclose(np.asarray(grey.pixels), np.full((1, 4, 4, 1), 0.2), atol=1e-7)
    assert load(tmp_path).pixels.shape == (1, 4, 4, 3)
    settings = [ImageFolder(str(tmp_path), channels=channels) for channels in (1, 3)]
    assert settings[0].fingerprint() != settings[1].fingerprint()


def test_an_unreadable_photo_is_named(folder):
    photo = folder / "dog" / "1.png"
    photo.write_bytes(photo.read_bytes()[:40])
    dataset = load(folder)
    with pytest.raises(
        ValueError, match=r"dog.1\.png must be a still and opaque JPEG, PNG or TIFF"
    ):
        np.asarray(dataset.pixels)


def test_a_photo_is_decoded_when_it_is_looked_at_and_once(folder, monkeypatch):
    decoded = []
    decode = image_folder.open_picture
    monkeypatch.setattr(
        image_folder, "open_picture", lambda path: decoded.append(path) or decode(path)
    )
    dataset = load(folder).first(6)
    assert dataset.pixels.shape == (6, 4, 4, 3)
    assert not decoded
    some = dataset.rows[np.array([4, 1])]
    assert len(decoded) == 2
    np.testing.assert_array_equal(dataset.images[[4, 1]], some)
    np.testing.assert_array_equal(dataset.rows[1, 0, 0], dataset.images[1, 0, 0])
    np.testing.assert_array_equal(dataset.rows[2:5, 0], dataset.images[2:5, 0])
    assert len(decoded) == len(set(decoded)) == 6


def test_fingerprint_follows_the_photos(folder):
    settings = ImageFolder(str(folder), limit=3)
    before = settings.fingerprint()
    assert before == settings.fingerprint()
    assert before != ImageFolder(str(folder), limit=4).fingerprint()
    for name in ("cat", "dog", "owl"):
        paint(folder / name / "0.png", (1, 2, 3))
    assert before != settings.fingerprint()


def test_folders_that_cannot_be_used(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="got 0 such files and 0 such sub-folders"):
        load(tmp_path / "empty")
    paint(folder / "stray.png", (0, 0, 0))
    with pytest.raises(ValueError, match="got 1 such files and 3 such sub-folders"):
        load(folder)


@pytest.mark.parametrize("text", ["no json", '["cat"]', '{"cat": 0}', '{"0": ["cat"]}'])
def test_an_index_that_is_none(folder, tmp_path, text):
    index = tmp_path / "index.json"
    index.write_text(text)
    with pytest.raises(ValueError, match="must be JSON like"):
        load(folder, classes=str(index))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": (4,)}, "size must be a height and a width"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"channels": 4}, "channels must be 1 or 3, got 4"),
        ({"std": [1.0, 1.0]}, "std must hold 1 number or one for each of 3 channels"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        ImageFolder("photos", **settings)
