"""Images that do not fit a model are refused in one line, whatever the model is written in."""

import re

import numpy as np
import pytest

from saliency_bench import checks, evaluate, network
from saliency_bench import explainers as ex
from saliency_bench.models import LoadedModel
from saliency_bench.models.base import check_fit
from saliency_bench.protocols import Dataset
from saliency_bench.study.build import Options

pytestmark = pytest.mark.usefixtures("seeded")

RNG = np.random.default_rng(0)
TARGETS = np.array([0, 1, 2, 0, 1])


def images_of(*shape):
    return RNG.random((5, *shape)).astype(np.float32)


def sequential(shape, *body, **how):
    import keras

    return keras.Sequential([keras.Input(shape, **how), *body, keras.layers.Dense(3)])


def convolution(*, order="channels_last"):
    from keras import layers

    return (
        layers.Conv2D(4, 2, activation="relu", data_format=order, name="reads"),
        layers.GlobalAveragePooling2D(data_format=order),
    )


def subclassed():
    """A network that takes pictures of any size, and does not declare its input."""
    import keras

    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.parts = [*convolution(), keras.layers.Dense(3)]

        def call(self, images):
            for part in self.parts:
                images = part(images)
            return images

    net = Net()
    net(images_of(12, 10, 3))
    return net


MISFITS = [
    ((10, 12, 3), "its input is (12, 10, 3)"),
    (
        (3, 12, 10),
        "its input is (12, 10, 3); the channels come first: use np.moveaxis(images, 1, -1)",
    ),
    ((12, 10, 4), "its input is (12, 10, 3); leave out the alpha channel: images[..., :3]"),
    ((12, 10, 1), "its input is (12, 10, 3); repeat the channel: np.repeat(images, 3, axis=-1)"),
]


def refused_everywhere(model, images, reason):
    """The line of each door of a Keras model that must refuse these images."""
    parts = {"explainers": {"g": ex.Gradient()}, "checks": [checks.ParameterRandomization()]}
    doors = [
        lambda: ex.Gradient()(model, images, TARGETS),
        lambda: ex.Occlusion(patch=2)(model, images, TARGETS),
        lambda: evaluate(model, images, TARGETS, **parts, options=Options(draws=1)),
        lambda: check_fit(LoadedModel(model, None, "mine"), Dataset("d", images)),
    ]
    for door in doors:
        with pytest.raises(ValueError, match=re.escape(reason)) as raised:
            door()
        line = str(raised.value)
        assert str(images.shape[1:]) in line
        assert "\n" not in line
        assert "\x1b" not in line
        assert len(line) < 300


@pytest.mark.parametrize(("shape", "reason"), MISFITS)
def test_another_size_or_number_of_channels(shape, reason):
    refused_everywhere(sequential((12, 10, 3), *convolution()), images_of(*shape), reason)


@pytest.mark.parametrize(("shape", "reason"), MISFITS[1:3])
def test_a_subclassed_model_is_asked_itself(shape, reason):
    model, images = subclassed(), images_of(*shape)
    with pytest.raises(ValueError, match=re.escape(reason)) as raised:
        ex.Gradient()(model, images, TARGETS)
    assert "\n" not in str(raised.value)
    assert ex.Gradient()(model, images_of(20, 21, 3), TARGETS).shape == (5, 20, 21, 3)


def test_a_model_of_any_size_has_its_channels():
    model = sequential((None, None, 3), *convolution())
    refused_everywhere(model, images_of(3, 24, 20), "the channels come first")
    assert ex.Gradient()(model, images_of(24, 20, 3), TARGETS).shape == (5, 24, 20, 3)


def test_a_picture_of_height_three_is_one_if_the_model_says_so():
    model = sequential((3, 24, 20), *convolution())
    assert network.misfit(model, (3, 24, 20)) is None
    assert ex.Gradient()(model, images_of(3, 24, 20), TARGETS).shape == (5, 3, 24, 20)


def test_a_model_that_reads_channels_first_is_refused_by_its_layer():
    from keras import layers

    by_weights = sequential((3, 12, 10), *convolution(order="channels_first"))
    pool = layers.MaxPooling2D(2, data_format="channels_first", name="reads")
    by_pooling = sequential((3, 12, 10), layers.Rescaling(2.0), pool, layers.Flatten())
    for model in (by_weights, by_pooling):
        reason = "[C, H, W] to its layer 'reads'; maps need [H, W, C]"
        refused_everywhere(model, images_of(3, 12, 10), reason)


def test_the_wrapper_that_the_refusal_names_is_right():
    from keras import layers

    model = sequential((3, 12, 10), *convolution(order="channels_first"))
    turned = sequential((12, 10, 3), layers.Permute((3, 1, 2)), *model.layers[:-1])
    turned.set_weights(model.get_weights())
    images = images_of(3, 12, 10)
    maps = ex.Gradient()(turned, np.moveaxis(images, 1, -1), TARGETS)
    assert maps.shape == (5, 12, 10, 3)
    np.testing.assert_allclose(turned(np.moveaxis(images, 1, -1)), model(images), atol=1e-6)


def integer_models():
    import keras
    from keras import layers

    dense = layers.Rescaling(1 / 255), layers.Flatten()
    inner = sequential((12, 10, 3), *dense, dtype="uint8")
    words = layers.Reshape((360,)), layers.Embedding(9, 4), layers.Flatten()
    return {
        "uint8": sequential((12, 10, 3), *dense, dtype="uint8"),
        "uint8 ": keras.Sequential([keras.Input((12, 10, 3)), inner]),
        "int32": sequential((12, 10, 3), *words),
    }


def test_a_model_that_cuts_pixels_to_whole_numbers_is_refused():
    images = images_of(12, 10, 3)
    for kind, model in integer_models().items():
        reason = f"{model.name!r} casts its images to {kind.strip()}, which cuts pixels to whole"
        for explain in (ex.Gradient(), ex.Occlusion(patch=2)):
            with pytest.raises(ValueError, match=reason):
                explain(model, images, TARGETS)
        with pytest.raises(ValueError, match=reason) as raised:
            evaluate(model, images, TARGETS, explainers={"g": ex.Gradient()})
        assert len(str(raised.value)) < 300
