"""The sizes that coarse maps may have: those of the model's own feature maps."""

import keras
import numpy as np
import pytest

from saliency_bench import network

layers = keras.layers


def sizes(*parts, shape=(12, 8, 1)):
    model = keras.Sequential([keras.Input(shape), *parts])
    return network.Grids(model).sizes(shape)


def test_of_convolution_and_pooling_by_hand():
    found = sizes(layers.Conv2D(5, 3), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3))
    assert {(10, 6), (5, 3)} <= found
    assert found <= {(12, 8), (10, 6), (5, 3)}


def test_channels_first():
    convolution = layers.Conv2D(7, 3, data_format="channels_first")
    assert (10, 6) in sizes(layers.Permute((3, 1, 2)), convolution)


@pytest.mark.parametrize("extra", [0, 1])
def test_tokens_with_and_without_one_of_the_class(extra):
    patches = layers.Conv2D(5, 4, strides=4), layers.Reshape((6, 5))
    ends = [layers.ZeroPadding1D((1, 0))] if extra else []
    assert (3, 2) in sizes(*patches, *ends, layers.Dense(4))


def test_a_series_is_one_column():
    assert (60, 1) in sizes(layers.Reshape((60, 1)), layers.Conv1D(4, 1), shape=(60, 1, 1))


@pytest.mark.parametrize(
    ("maps", "fits"),
    [
        ((2, 12, 8, 3), True),
        ((2, 12, 8, 1), True),
        ((2, 10, 6, 1), True),
        ((2, 10, 6, 3), False),
        ((2, 6, 10, 1), False),
        ((2, 8, 12, 1), False),
        ((1, 12, 8, 1), False),
        ((2, 12, 8), False),
        ((2, 0, 0, 1), False),
    ],
)
def test_a_map_fits_its_images_or_a_feature_map(maps, fits):
    model = keras.Sequential([keras.Input((12, 8, 3)), layers.Conv2D(5, 3)])
    assert network.Grids(model).fit(maps, (2, 12, 8, 3)) is fits


def test_without_a_model_only_the_images_size_fits():
    assert network.Grids(None).fit((2, 4, 4, 1), (2, 4, 4, 3))
    assert not network.Grids(None).fit((2, 2, 2, 1), (2, 4, 4, 3))


def test_the_sizes_follow_the_images_of_a_model_without_a_fixed_size():
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(3, 3, strides=2)])
    grids = network.Grids(model)
    assert [grids.fit((1, side, side, 1), (1, 9, 9, 1)) for side in (4, 7)] == [True, False]
    assert [grids.fit((1, side, side, 1), (1, 15, 15, 1)) for side in (4, 7)] == [False, True]
    assert np.shape(model(np.zeros((1, 9, 9, 1)))) == (1, 4, 4, 3)
