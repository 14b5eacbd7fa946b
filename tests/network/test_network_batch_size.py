"""The number of rows evaluated at once: full batches, small ones for large networks."""

import keras
import numpy as np
import pytest

from saliency_bench import network
from saliency_bench.network.batch_size import batch_size, largest_row


def filling(rows, images):
    return -(-images // rows) * rows / images - 1


@pytest.mark.parametrize("row", [1, 25_088, 131_072, 802_816, 10**8])
def test_no_more_than_a_tenth_of_the_rows_fill_up_a_batch(row):
    for images in range(1, 700):
        rows = batch_size(row, images)
        assert 1 <= rows <= 128
        assert filling(rows, images) <= 0.1, images


@pytest.mark.parametrize(
    ("row", "images", "expected"),
    [
        (25_088, 64, 64),  # 28x28 with 32 channels
        (25_088, 4096, 128),
        (25_088, 100, 100),
        (25_088, 130, 65),
        (131_072, 16, 16),  # MobileNet 0.5 at 128x128
        (131_072, 64, 32),
        (802_816, 16, 8),  # ResNet-50 at 224x224
        (802_816, 9, 3),
        (802_816, 1, 1),
    ],
)
def test_small_images_make_large_batches(row, images, expected):
    assert batch_size(row, images) == expected


def test_the_largest_tensor_of_a_network_is_found():
    layers = [keras.layers.Conv2D(4, 3, padding="same"), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((10, 6, 3)), *layers, keras.layers.Dense(3)])
    kernel = network.Kernel(model, lambda traced: traced.scores)
    assert largest_row(kernel.graph((10, 6, 3))) == 10 * 6 * 4


@pytest.mark.parametrize("side", [8, None])
def test_a_network_takes_the_batches_that_suit_it(side):
    layers = [keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((side, side, 1)), *layers, keras.layers.Dense(3)])
    own = network.KerasNetwork(model)
    assert own.batch_size == 32
    images = np.random.default_rng(0).random((200, 8, 8, 1)).astype(np.float32)
    before = own.outputs(images)
    own.fit_batches(images.shape)
    assert own.batch_size == 100
    with network.counting() as counted:
        np.testing.assert_allclose(own.outputs(images), before, atol=1e-6)
    assert counted.rows == 200
