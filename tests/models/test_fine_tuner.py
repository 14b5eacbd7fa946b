"""Fine-tuning in place: the model comes back, files keep what was learned, accuracies are told."""

from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest

from saliency_bench import models, network
from saliency_bench.datasets import Digits
from saliency_bench.models import FineTuner
from saliency_bench.models.seeding import fresh_keras
from saliency_bench.protocols import Dataset, FineTuned, NotApplicable, TrainedNetwork

layers = keras.layers


@dataclass(frozen=True)
class Noise:
    """Images plus noise."""

    epochs: int = 2
    learning_rate: float = 1e-3
    size: float = 0.1

    def changed(self, image, draw):
        return image + np.float32(self.size) * draw.standard_normal(image.shape, np.float32)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = [layers.Conv2D(3, 3, activation="relu"), layers.BatchNormalization()]
        self.last = [layers.Flatten(), layers.Dropout(0.3), layers.Dense(2)]

    def call(self, images, training=False):
        for layer in self.inner + self.last:
            images = layer(images, training=training)
        return images


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(2, activation="softmax"),
        ]
    )


def functional():
    images = keras.Input((8, 8, 1))
    hidden = layers.Flatten()(layers.Conv2D(3, 3, activation="relu")(images))
    return keras.Model(images, layers.Dense(2)(hidden))


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 8, 8, 1), np.float32))
    return model


BUILDERS = [sequential, functional, subclassed]


def under_test(build=functional):
    with fresh_keras(3):
        return network.KerasNetwork(build())


@pytest.fixture
def tuner(stripes, tmp_path):
    return FineTuner(stripes, cache=tmp_path)


@pytest.fixture
def never(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("it trains")

    return lambda: monkeypatch.setattr("saliency_bench.models.fine_tuner.fit", refuse)


@pytest.mark.parametrize("build", BUILDERS)
def test_the_model_comes_back_bit_for_bit(build, tuner):
    own = under_test(build)
    before = [variable.numpy().copy() for variable in own.model.variables]
    fingerprint = own.fingerprint()
    found = tuner(own, Noise())
    for variable, value in zip(own.model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert own.fingerprint() == fingerprint != found.network.fingerprint
    with network.swapped(own.model, own.model.variables, _values(found, len(before))):
        assert own.fingerprint() == found.network.fingerprint


def _values(found, count):
    with np.load(found.network.file) as stored:
        return [stored[str(place)] for place in range(count)]


def test_a_compiled_model_keeps_its_optimizer(tuner):
    own = under_test()
    own.model.compile("sgd", "mse")
    optimizer = own.model.optimizer
    tuner(own, Noise())
    assert own.model.optimizer is optimizer
    assert own.model.loss == "mse"


def test_a_file_keeps_what_was_learned(stripes, tmp_path, never):
    own = under_test()
    first = FineTuner(stripes, cache=tmp_path)(own, Noise())
    never()
    again = FineTuner(stripes, cache=tmp_path)(under_test(), Noise())
    assert again == first
    assert again.network.history == first.network.history
    with pytest.raises(AssertionError, match="it trains"):
        FineTuner(stripes, cache=tmp_path)(own, Noise(size=0.2))
    with pytest.raises(AssertionError, match="it trains"):
        FineTuner(stripes, cache=tmp_path, seed=1)(own, Noise())


def test_other_weights_are_another_network(stripes, tmp_path, never):
    FineTuner(stripes, cache=tmp_path)(under_test(), Noise())
    never()
    with fresh_keras(4):
        other = network.KerasNetwork(functional())
    with pytest.raises(AssertionError, match="it trains"):
        FineTuner(stripes, cache=tmp_path)(other, Noise())


def test_a_damaged_file_is_made_again(stripes, tmp_path):
    own = under_test()
    first = FineTuner(stripes, cache=tmp_path)(own, Noise())
    content = bytearray(first.network.file.read_bytes())
    content[len(content) // 2] ^= 255
    first.network.file.write_bytes(content)
    assert FineTuner(stripes, cache=tmp_path)(own, Noise()) == first


def test_it_is_found_once_for_all_metrics(tuner, never):
    own = under_test()
    first = tuner(own, Noise())
    never()
    assert tuner(own, Noise()) is first
    assert dict(tuner.tuned) == {Noise(): first}


def test_training_makes_a_network_better_at_what_it_learns(tmp_path):
    """Digits, a network that never saw noise; accuracies are those of the test images."""
    data = Digits().load()
    few = replace(data, train_pixels=data.train_pixels[:600], train_labels=data.train_labels[:600])
    settings = models.CNN(
        (8,), kernel=3, units=16, training=models.Training(epochs=8, stop_accuracy=None)
    )
    model = models.Trainer(settings, few, seed=0, cache=tmp_path).load().model
    own, lesson = network.KerasNetwork(model), Noise(epochs=4, size=0.5)
    found = FineTuner(few, cache=tmp_path)(own, lesson)
    assert found.tested == 360
    outputs = own.outputs(data.images).argmax(axis=1)
    assert found.plain[0] == pytest.approx((outputs == data.labels).mean())
    assert found.chance == np.bincount(data.labels).max() / 360
    assert found.changed[1] > found.changed[0] + 0.05
    assert found.network.test_accuracy == found.plain[1]
    assert found.problem == ""


def test_without_labels_it_is_tested_on_the_images_it_learns(stripes, tmp_path):
    found = FineTuner(replace(stripes, labels=None), cache=tmp_path)(under_test(), Noise())
    assert found.tested == len(stripes.train_labels)


def test_the_model_comes_back_when_training_is_broken_off(stripes, tmp_path):
    class Stops:
        def start(self, total, *, at_most=False):
            pass

        def step(self, what, kind=""):
            raise KeyboardInterrupt

        def tell(self, line):
            pass

        def done(self):
            pass

    own = under_test(sequential)
    fingerprint = own.fingerprint()
    with pytest.raises(KeyboardInterrupt):
        FineTuner(stripes, cache=tmp_path, progress=Stops())(own, Noise())
    assert own.fingerprint() == fingerprint
    assert list(tmp_path.glob("*.npz")) == []


def test_a_frozen_network_is_not_tuned(tuner):
    own = functional()
    own.trainable = False
    with pytest.raises(NotApplicable, match=r"none of the network's weights may be trained"):
        tuner(network.KerasNetwork(own), Noise())


def test_labels_beyond_the_classes_are_refused(stripes, tmp_path):
    wrong = replace(stripes, train_labels=stripes.train_labels + 1)
    with pytest.raises(ValueError, match=r"^labels of the images to train on .* 0\.\.1.* got 2$"):
        FineTuner(wrong, cache=tmp_path)(under_test(), Noise())


def test_a_dataset_without_images_to_train_on_is_refused(stripes, tmp_path):
    bare = Dataset("bare", stripes.pixels, stripes.labels)
    with pytest.raises(ValueError, match=r"^fine-tuning needs labelled images .* bare has none$"):
        FineTuner(bare, cache=tmp_path)


def test_a_rehearsal_trains_nothing_and_tells_the_time(stripes, tmp_path):
    own = under_test()
    tuner = FineTuner(stripes, cache=tmp_path / "cache", rehearsal=tmp_path / "rehearsal")
    assert tuner.outstanding is None
    found = tuner(own, Noise())
    assert found.network.fingerprint == own.fingerprint()
    assert found.problem == ""
    assert tuner.outstanding.networks == tuner.outstanding.epochs == 1
    assert tuner.outstanding.seconds > 0
    assert not list((tmp_path / "cache").glob("*.npz"))


def described(plain, chance=0.5):
    weights = TrainedNetwork("hash", "file", 1.0, plain[1], chance)
    return FineTuned(weights, 10, chance, plain, (0.6, 0.7))


@pytest.mark.parametrize(
    ("plain", "problem"),
    [
        ((0.9, 0.86), ""),
        ((0.7, 0.9), ""),
        ((0.9, 0.84), "took the network's accuracy from 0.90 to 0.84, by more than 0.05"),
        ((0.52, 0.5), "has accuracy 0.50 where guessing has 0.50"),
    ],
)
def test_a_network_that_lost_its_accuracy_cannot_stand_for_the_first_one(plain, problem):
    found = described(plain).problem
    assert problem in found
    assert bool(problem) == bool(found)
