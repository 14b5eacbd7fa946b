import numpy as np
import pytest

from saliency_bench.datasets import Npz


def write(folder, name="data.npz", **arrays):
    path = folder / name
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture
def images():
    return np.random.default_rng(1).random((10, 4, 5, 3)).astype(np.float32)


def test_bytes_are_divided_by_255(tmp_path):
    x = np.array([[[0, 51], [102, 255]]], dtype=np.uint8)
    pixels = Npz(write(tmp_path, x=x)).load().pixels
    assert pixels.shape == (1, 2, 2, 1)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels[0, :, :, 0], [[0, 0.2], [0.4, 1]], rtol=1e-6)


def test_floats_are_left_as_they_are(tmp_path, images):
    dataset = Npz(write(tmp_path, x=images)).load()
    np.testing.assert_array_equal(dataset.pixels, images)
    assert dataset.name == "data"
    assert dataset.labels is None
    assert dataset.train_pixels is None


def test_without_training_the_whole_file_is_explained_in_its_order(tmp_path, images):
    dataset = Npz(write(tmp_path, x=images, y=np.arange(10))).load(train=False)
    np.testing.assert_array_equal(dataset.labels, np.arange(10))
    assert dataset.labels.dtype == np.int64
    assert dataset.train_labels is None


def test_one_file_is_split_without_overlap(tmp_path, images):
    dataset = Npz(write(tmp_path, x=images, y=np.arange(10)), test_fraction=0.3).load()
    assert len(dataset.labels) == 3
    assert sorted([*dataset.labels, *dataset.train_labels]) == list(range(10))
    np.testing.assert_array_equal(dataset.pixels, images[dataset.labels])
    np.testing.assert_array_equal(dataset.train_pixels, images[dataset.train_labels])


def test_a_file_to_train_on_leaves_the_other_whole(tmp_path, images):
    learn = write(tmp_path, "learn.npz", x=images[:4], y=np.zeros(4, int))
    dataset = Npz(write(tmp_path, x=images, y=np.arange(10)), train_path=learn).load()
    assert len(dataset.pixels) == 10
    np.testing.assert_array_equal(dataset.train_pixels, images[:4])


def test_a_limit_leaves_the_first_images_to_train_on(tmp_path, images):
    learn = write(tmp_path, "learn.npz", x=images[:4], y=np.arange(4))
    explained = write(tmp_path, x=images, y=np.arange(10))
    dataset = Npz(explained, train_path=learn, train_limit=3).load()
    np.testing.assert_array_equal(dataset.train_labels, [0, 1, 2])
    np.testing.assert_array_equal(dataset.train_pixels, images[:3])
    assert len(dataset.pixels) == 10
    assert len(Npz(explained, train_limit=3).load().train_labels) == 3
    assert Npz(explained, train_limit=3).fingerprint() != Npz(explained).fingerprint()
    with pytest.raises(ValueError, match="train_limit must be at least 1, got 0"):
        Npz(explained, train_limit=0)


def test_mean_and_std_lead_to_model_units(tmp_path):
    x = np.full((1, 2, 2, 3), 0.75)
    dataset = Npz(write(tmp_path, x=x), mean=[0.25, 0.5, 0.75], std=0.5).load()
    np.testing.assert_allclose(dataset.images[0, 0, 0], [1, 0.5, 0])


def test_fingerprint_follows_content_and_settings_not_the_place(tmp_path, images):
    first = Npz(write(tmp_path, x=images))
    same = Npz(write(tmp_path, "copy.npz", x=images))
    other = Npz(write(tmp_path, "other.npz", x=images[::-1]))
    assert first.fingerprint() == same.fingerprint()
    assert first.fingerprint() != other.fingerprint()
    assert first.fingerprint() != Npz(first.path, mean=0.5).fingerprint()


def spoiled(images, value):
    images[2, 1, 0, 1] = value
    return images


X = np.zeros((2, 3, 3), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": X}, r"must hold an array x; got \['images'\]"),
        ({"x": np.zeros((2, 3), np.uint8)}, r"\[N, H, W\] or \[N, H, W, C\], got shape \(2, 3\)"),
        ({"x": X[:0]}, r"must not be empty, got shape \(0, 3, 3\)"),
        ({"x": X.astype(np.int32)}, "uint8 from 0 to 255 or floats .* got dtype int32"),
        ({"x": np.array([[[None]]], dtype=object)}, "x in .* array of numbers: Object arrays"),
        ({"x": X, "y": np.array([None, None])}, "y in .* array of numbers: Object arrays"),
        ({"x": X, "y": np.zeros(3, int)}, "one label per image, got 3 for 2"),
        ({"x": X, "y": np.zeros((2, 10))}, r"one class index per image, got shape \(2, 10\)"),
        ({"x": X, "y": np.array([0, -1])}, r"whole numbers from 0 on, got -1 at index \[1\]"),
        ({"x": X, "y": np.array([0.5, 1])}, r"whole numbers from 0 on, got 0.5 at index \[0\]"),
        (
            {"x": X, "y": np.array([0.0, np.nan])},
            r"whole numbers from 0 on, got nan at index \[1\]",
        ),
        ({"x": X, "y": np.array([np.inf, 0])}, r"from 0 on, got inf at index \[0\]"),
        ({"x": X, "y": np.array(["a", "b"])}, "whole numbers, got dtype <U1"),
        ({"x": X, "y": np.array([1e300, 0])}, r"numbers below 1000000, got 1e\+300 at index \[0\]"),
        (
            {"x": X, "y": np.array([1, 2**64 - 1], np.uint64)},
            r"class numbers below 1000000, got 18446744073709551615 at index \[1\]",
        ),
        (
            {"x": np.zeros((2, 3, 8, 8))},
            r"got \(2, 3, 8, 8\), whose channels come first: use np.mov",
        ),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, arrays, message):
    dataset = Npz(write(tmp_path, **arrays))
    with pytest.raises(ValueError, match=message) as raised:
        dataset.load()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 255.0])
def test_floats_out_of_range_are_named(tmp_path, images, value):
    x = spoiled(images, value)
    with pytest.raises(ValueError, match=r"\[0, 1\], got .* at index \[2, 1, 0, 1\]"):
        Npz(write(tmp_path, x=x)).load()


@pytest.mark.parametrize("keep", [0, 40, 400])
def test_a_damaged_file(tmp_path, images, keep):
    path = tmp_path / "data.npz"
    whole = write(tmp_path, x=images)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"not a whole \.npz file"):
        Npz(whole).load()


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file: .*none\.npz"):
        Npz(str(tmp_path / "none.npz")).load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"std": 0.0}, "std must be positive"),
        ({"test_fraction": 1.0}, "test_fraction must lie between 0 and 1, got 1.0"),
        ({"mean": [0.1, 0.2]}, "mean must hold 1 number or one for each of 3 channels"),
        ({"classes": ["only"]}, "got 1 names and label 9"),
        ({"test_fraction": 0.01}, "leave images on both sides, got 0.01 of 10"),
    ],
)
def test_settings_that_cannot_be(tmp_path, images, settings, message):
    path = write(tmp_path, x=images, y=np.arange(10))
    with pytest.raises(ValueError, match=message):
        Npz(path, **settings).load()


def test_images_to_train_on_must_be_as_large(tmp_path, images):
    learn = write(tmp_path, "learn.npz", x=images[:, :3], y=np.zeros(10, int))
    with pytest.raises(ValueError, match="the shape of those to explain"):
        Npz(write(tmp_path, x=images), train_path=learn).load()
