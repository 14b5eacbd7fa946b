import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from sklearn.datasets import load_digits

from saliency_bench.datasets import Digits


@pytest.fixture(scope="module")
def digits():
    return Digits().load()


def test_every_original_is_there_once(digits):
    assert digits.pixels.shape == (360, 28, 28, 1)
    assert digits.train_pixels.shape == (1437, 28, 28, 1)
    labels = np.concatenate([digits.labels, digits.train_labels])
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(load_digits().target))


def test_pixels_are_display_units_and_all_classes_are_explained(digits):
    assert digits.pixels.dtype == digits.train_pixels.dtype == np.float32
    assert digits.pixels.min() == 0
    assert digits.pixels.max() == 1
    assert set(digits.labels) == set(range(10))


def test_enlarging_is_bilinear_between_pixel_centres(digits):
    place = np.clip((np.arange(28) + 0.5) * 8 / 28 - 0.5, 0, 7)
    grid = np.meshgrid(place, place, indexing="ij")
    originals = load_digits().images[load_digits().target == digits.labels[0]] / 16
    enlarged = np.stack([map_coordinates(image, grid, order=1) for image in originals])
    distance = np.abs(enlarged - digits.pixels[0, :, :, 0]).max(axis=(1, 2))
    assert distance.min() < 1e-6


def test_training_images_are_left_out_on_request(digits):
    alone = Digits().load(train=False)
    np.testing.assert_array_equal(alone.pixels, digits.pixels)
    assert alone.train_pixels is None
    assert alone.train_labels is None
