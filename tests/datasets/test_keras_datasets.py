import sys
from types import SimpleNamespace

import numpy as np
import pytest

from saliency_bench.datasets import KerasDataset


def keras_with(load_data):
    """Stands in for Keras, which would start TensorFlow and go to the network."""
    return SimpleNamespace(datasets=SimpleNamespace(cifar10=SimpleNamespace(load_data=load_data)))


def test_the_official_split_is_kept(monkeypatch):
    learn = np.full((3, 2, 2, 3), 51, np.uint8), np.array([[1], [2], [3]])
    test = np.full((2, 2, 2, 3), 255, np.uint8), np.array([[4], [5]])
    monkeypatch.setitem(sys.modules, "keras", keras_with(lambda: (learn, test)))
    dataset = KerasDataset("cifar10").load()
    np.testing.assert_array_equal(dataset.pixels, np.ones((2, 2, 2, 3)))
    np.testing.assert_array_equal(dataset.labels, [4, 5])
    np.testing.assert_allclose(dataset.train_pixels, 0.2)
    np.testing.assert_array_equal(dataset.train_labels, [1, 2, 3])
    assert len(dataset.classes) == 10


def test_without_a_network_the_way_out_is_named(monkeypatch):
    def offline():
        raise Exception("URL fetch failure on x\nmore")

    monkeypatch.setitem(sys.modules, "keras", keras_with(offline))
    with pytest.raises(ValueError, match=r"could not be downloaded.*dataset=npz") as raised:
        KerasDataset("cifar10").load()
    assert "\n" not in str(raised.value)


def test_an_unknown_name():
    with pytest.raises(ValueError, match="mnist, fashion_mnist, cifar10, cifar100, got imagenet"):
        KerasDataset("imagenet")
