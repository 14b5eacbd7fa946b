"""Models that cannot be tested are refused in one line."""

import keras
import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import explainers as ex
from saliency_bench.network.trace import input_names

layers = keras.layers
IMAGES = np.ones((5, 8, 8, 1), np.float32)


def functional():
    images = [keras.Input((8, 8, 1), name=name) for name in ("left", "right")]
    return keras.Model(images, layers.Dense(3)(layers.Flatten()(layers.Add()(images))))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3)

    def scored(self, *images):
        return self.head(keras.ops.mean(sum(images), (1, 2)))


class Arguments(Subclassed):
    def call(self, left, right, training=None):
        return self.scored(left, right)


class Listed(Subclassed):
    def call(self, pair):
        return self.scored(*pair)


class Named(Subclassed):
    def call(self, pair):
        return self.scored(pair["left"], pair["right"])


class One(Subclassed):
    def call(self, images, training=None, mask=None):
        return self.scored(images)


def called(model, *images):
    model(*images)
    return model


MODELS = {
    "functional": (functional, "left, right"),
    "arguments": (lambda: called(Arguments(), IMAGES, IMAGES), "left, right"),
    "listed": (lambda: called(Listed(), [IMAGES, IMAGES]), r"pair\[0\], pair\[1\]"),
    "named": (lambda: called(Named(), {"left": IMAGES, "right": IMAGES}), "left, right"),
}


@pytest.mark.parametrize(("make", "names"), MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("images", [IMAGES, [IMAGES, IMAGES]], ids=["one", "two"])
def test_several_inputs_are_told(make, names, images):
    model = make()
    rule = f"must have one input, of images; .* has 2 inputs: {names}$"
    with pytest.raises(ValueError, match=rule) as told:
        sb.evaluate(model, images, explainers="gradient")
    assert "\n" not in str(told.value)
    with pytest.raises(ValueError, match=rule):
        ex.Gradient().bind(model)


def test_one_input_is_one():
    assert input_names(called(One(), IMAGES)) == ["images"]
    sequential = keras.Sequential([keras.Input((8, 8, 1), name="image"), layers.Flatten()])
    assert input_names(sequential) == ["image"]


@pytest.mark.parametrize("biases", [0.0, 1.0])
def test_a_network_of_zeros_is_told(biases):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)], name="net"
    )
    model.set_weights([w * 0 + biases * (w.ndim == 1) for w in model.get_weights()])
    with pytest.raises(ValueError, match="every kernel of 'net' is 0: were its weights read"):
        sb.evaluate(model, IMAGES, explainers="gradient")
