"""How the networks of Adebayo et al. (2018) begin, are penalized, and are redrawn."""

import numpy as np
import pytest

from saliency_bench.models import CNN, MLP, Trainer, Training
from saliency_bench.models.trainer import fit
from saliency_bench.randomize import redraw

SHAPE = (28, 28, 1)
TRUNCATED_STD = 0.8796
"""Of a standard normal that is cut off at 2."""


def code_cnn(**settings):
    """The CNN of the released code, but small."""
    settings = {"filters": (16, 16), "units": 60, "bias": 0.1, **settings}
    return CNN(initializer="truncated_normal", **settings)


def values(network):
    return {v.path.split("/", 1)[1]: v.numpy() for v in network.trainable_variables}


def redrawn(network):
    variables = network.trainable_variables
    new = redraw(network, variables, seed=3)
    return {v.path.split("/", 1)[1]: value for v, value in zip(variables, new, strict=True)}


def assert_truncated(kernel, std):
    """Almost reaches 2 standard deviations, and never goes beyond."""
    assert 1.9 * std < np.abs(kernel).max() <= 2 * std
    assert kernel.std() == pytest.approx(TRUNCATED_STD * std, rel=0.06)
    assert abs(kernel.mean()) < 0.2 * std


@pytest.mark.parametrize("of", [values, redrawn])
def test_the_cnn_begins_and_is_redrawn_as_in_the_code_of_2018(of):
    arrays = of(code_cnn().network(SHAPE, 10, seed=0))
    assert len(arrays) == 8
    for path, array in arrays.items():
        if path.endswith("bias"):
            np.testing.assert_array_equal(array, np.float32(0.1))
        else:
            assert_truncated(array, 0.1)


@pytest.mark.parametrize("of", [values, redrawn])
def test_the_mlp_begins_and_is_redrawn_as_in_the_code_of_2018(of):
    settings = MLP(units=(100, 50), initializer="truncated_normal")
    arrays = of(settings.network(SHAPE, 10, seed=0))
    for layer, inputs in {"fc1": 784, "fc2": 100, "logits": 50}.items():
        assert_truncated(arrays[f"{layer}/kernel"], 2 / np.sqrt(inputs))
        assert not arrays[f"{layer}/bias"].any()


@pytest.mark.parametrize(
    "settings", [code_cnn(), MLP(units=(60, 60, 60), initializer="truncated_normal")]
)
def test_no_two_kernels_nor_networks_begin_alike(settings):
    one, other, again = (values(settings.network(SHAPE, 10, seed=n)) for n in (0, 1, 0))
    for path in (path for path in one if path.endswith("kernel")):
        np.testing.assert_array_equal(one[path], again[path])
        assert abs(np.corrcoef(one[path].ravel(), other[path].ravel())[0, 1]) < 0.2
    kernels = [array.ravel()[:400] for path, array in one.items() if path.endswith("kernel")]
    assert np.abs(np.corrcoef(kernels) - np.eye(len(kernels))).max() < 0.2


def test_by_default_biases_are_zero_and_kernels_fill_glorots_interval():
    arrays = values(MLP(units=(100,)).network(SHAPE, 10, seed=0))
    limit = np.sqrt(6 / (784 + 100))
    assert 0.99 * limit < np.abs(arrays["fc1/kernel"]).max() <= limit
    assert not arrays["fc1/bias"].any()


def test_the_penalty_is_half_the_squared_kernels_of_hidden_layers():
    network = code_cnn(penalty=0.5).network(SHAPE, 10, seed=0)
    arrays = values(network)
    hidden = [arrays[f"{layer}/kernel"] for layer in ("conv1", "conv2", "fc1")]
    by_hand = 0.5 * sum(np.sum(np.square(kernel, dtype=np.float64)) for kernel in hidden) / 2
    assert float(sum(network.losses)) == pytest.approx(by_hand, rel=1e-5)
    assert code_cnn().network(SHAPE, 10, seed=0).losses == []


def test_a_training_minimizes_cross_entropy_and_penalty(stripes):
    """With a step of almost 0, both networks keep their equal first weights."""
    still = Training(optimizer="sgd", learning_rate=1e-9, epochs=1, stop_accuracy=None)
    losses = {}
    for penalty in (0.0, 0.5):
        settings = CNN(filters=(4,), kernel=3, units=8, penalty=penalty)
        network = settings.network((8, 8, 1), 2, seed=0)
        images, labels = stripes.train_pixels, stripes.train_labels
        history, _ = fit(network, images, labels, still, seed=0, name="tiny")
        losses[penalty] = history[0][0]
    added = float(sum(network.losses))
    assert added > 0.5
    assert losses[0.5] - losses[0.0] == pytest.approx(added, rel=1e-4)


def test_the_penalty_is_named_among_what_hinders_learning_by_heart(stripes, tmp_path):
    settings = CNN(filters=(4,), kernel=3, units=8, penalty=0.001)
    hindrances = Trainer(settings, stripes, seed=0, cache=tmp_path).regularizers
    assert hindrances == ("kernel regularizer L2 l2 0.0005",)
