"""The number of rows evaluated at once: small batches for large networks, and none filled up."""

import keras
import numpy as np
import pytest

from saliency_bench import network
from saliency_bench.network import batch_size


def convolution(side, filters):
    layers = [
        keras.layers.Conv2D(filters, 3, padding="same", name="conv"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3),
    ]
    return keras.Sequential([keras.Input((side, side, 3)), *layers])


def graph(model, side):
    return network.Kernel(model, lambda traced: traced.scores).graph((side, side, 3))


@pytest.mark.parametrize("given", [10, None], ids=["fixed", "any size"])
def test_the_largest_tensor_of_a_network_is_found(given):
    assert batch_size.largest_row(graph(convolution(given, 4), 10)) == 10 * 10 * 4


@pytest.mark.parametrize(
    ("side", "filters", "rows"),
    [(28, 32, 128), (64, 32, 32), (65, 32, 16), (112, 64, 8), (224, 8, 8)],
)
def test_small_networks_get_large_batches(side, filters, rows):
    assert batch_size.suitable_rows(graph(convolution(side, filters), side)) == rows


@pytest.mark.parametrize("given", [8, None], ids=["fixed", "any size"])
def test_a_network_takes_the_rows_that_suit_it_and_fills_none_up(given):
    own = network.KerasNetwork(convolution(given, 4), batch_size=5)
    images = np.random.default_rng(0).random((200, 8, 8, 3)).astype(np.float32)
    before = own.outputs(images)
    own.suit((8, 8, 3))
    assert (own.batch_size, own.full) == (128, False)
    with network.counting() as counted:
        np.testing.assert_allclose(own.outputs(images), before, atol=1e-6)
    assert counted.rows == 200
