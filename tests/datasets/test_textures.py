"""Crops of photographs that come with scikit-image."""

import numpy as np
import pytest

from saliency_bench.datasets import Textures


@pytest.fixture(scope="module")
def found():
    return Textures(side=12, train=4, test=3).load()


def test_shapes_and_labels(found):
    assert found.pixels.shape == (30, 12, 12, 3)
    assert found.train_pixels.shape == (40, 12, 12, 3)
    assert found.pixels.dtype == np.float32
    assert 0 <= found.pixels.min() < found.pixels.max() <= 1
    assert len(found.classes) == 10
    for labels, each in ((found.labels, 3), (found.train_labels, 4)):
        assert np.bincount(labels).tolist() == [each] * 10


def test_no_two_images_are_equal(found):
    images = np.concatenate([found.pixels, found.train_pixels])
    assert len(np.unique(images.reshape(70, -1), axis=0)) == 70


def test_they_are_the_same_each_time(found):
    again = Textures(side=12, train=4, test=3).load(train=False)
    np.testing.assert_array_equal(again.pixels, found.pixels)
    assert again.train_pixels is None


def test_settings_are_part_of_the_fingerprint():
    assert Textures().fingerprint() == Textures(side=32).fingerprint()
    assert Textures(side=8).fingerprint() != Textures().fingerprint()
    with pytest.raises(ValueError, match="side must be at least 1, got 0"):
        Textures(side=0)
