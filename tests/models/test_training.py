import random
from dataclasses import replace

import numpy as np
import pytest

from saliency_bench.datasets import Digits
from saliency_bench.models import CNN, MLP, Training

TINY = CNN(filters=(4,), kernel=3, units=8, training=Training(epochs=3, batch_size=8))


def same(model, other):
    weights = zip(model.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(one, two) for one, two in weights)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def loaded(stripes, cache):
    return TINY.load(stripes, seed=0, cache=cache)


def test_the_paper_network_has_its_layers():
    network = CNN().network((28, 28, 1), 10, seed=0)
    names = [layer.name for layer in network.layers]
    assert names == ["conv1", "pool1", "conv2", "pool2", "flatten", "fc1", "logits"]
    assert network.output_shape == (None, 10)
    # 5x5x1x32 + 32, 5x5x32x64 + 64, 7x7x64x1024 + 1024, 1024x10 + 10
    assert network.count_params() == 832 + 51264 + 3212288 + 10250


def test_the_perceptron_has_its_layers():
    network = MLP(units=(5, 4)).network((2, 2, 3), 3, seed=0)
    assert [layer.name for layer in network.layers] == ["flatten", "fc1", "fc2", "logits"]
    assert network.count_params() == (12 + 1) * 5 + (5 + 1) * 4 + (4 + 1) * 3


def test_the_seed_decides_the_first_weights_and_equal_shapes_differ():
    first, again, other = (MLP(units=(4, 4)).network((2, 2, 1), 4, seed=s) for s in (0, 0, 1))
    assert same(first, again)
    assert not same(first, other)
    kernels = [layer.kernel.numpy() for layer in first.layers[1:]]
    assert not np.array_equal(kernels[0], kernels[1])


def test_it_learns(loaded, stripes):
    scores = np.asarray(loaded.model(stripes.images))
    np.testing.assert_array_equal(scores.argmax(axis=1), stripes.labels)


def test_the_cache_gives_the_same_network_again(loaded, stripes, cache):
    files = list(cache.iterdir())
    assert [file.stem for file in files] == [loaded.facts["key"]]
    written = files[0].stat().st_mtime_ns
    assert same(loaded.model, TINY.load(stripes, seed=0, cache=cache).model)
    assert files[0].stat().st_mtime_ns == written


def test_a_damaged_cache_file_is_trained_again(loaded, stripes, cache, capsys):
    file = next(cache.iterdir())
    file.write_bytes(file.read_bytes()[:100])
    again = TINY.load(stripes, seed=0, cache=cache)
    assert "training again" in capsys.readouterr().err
    assert len(list(cache.iterdir())) == 1
    for one, two in zip(loaded.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


def test_whatever_decides_the_weights_is_in_the_key(loaded, stripes, tmp_path):
    quick = replace(TINY, training=Training(epochs=1, batch_size=64))
    permuted = replace(stripes, train_labels=1 - stripes.train_labels)
    shifted = replace(stripes, train_pixels=stripes.train_pixels[::-1])
    runs = [(stripes, 0), (stripes, 1), (permuted, 0), (shifted, 0)]
    keys = {quick.load(data, seed=seed, cache=tmp_path).facts["key"] for data, seed in runs}
    assert len(keys | {loaded.facts["key"]}) == 5


def test_a_training_that_was_stopped_leaves_nothing_behind(stripes, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras.Model.save", stopped)
    with pytest.raises(KeyboardInterrupt):
        TINY.load(stripes, seed=0, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_global_random_state_is_left_alone(stripes, tmp_path):
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    replace(TINY, training=Training(epochs=1)).load(stripes, seed=0, cache=tmp_path)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize("missing", ["train_pixels", "train_labels"])
def test_nothing_to_train_on(stripes, tmp_path, missing):
    with pytest.raises(ValueError, match=r"training needs labelled images.*stripes has none"):
        TINY.load(replace(stripes, **{missing: None}), seed=0, cache=tmp_path)


def test_an_unknown_optimizer(stripes, tmp_path):
    settings = replace(TINY, training=Training(optimizer="adamant"))
    with pytest.raises(ValueError, match="name of a Keras optimizer, got adamant"):
        settings.load(stripes, seed=0, cache=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_paper_network_reads_digits(tmp_path, seed):
    digits = Digits().load()
    model = CNN().load(digits, seed=seed, cache=tmp_path).model
    assert np.mean(np.asarray(model(digits.images)).argmax(axis=1) == digits.labels) > 0.97
