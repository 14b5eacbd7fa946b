"""A network that gets another input than it was made for is told, before any map is computed."""

import logging

import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.models import LoadedModel
from saliency_bench.models.application import BYTES, RANGES
from saliency_bench.protocols import Dataset, Preprocessing
from saliency_bench.study.fit import fit_input, weakness

pytestmark = pytest.mark.usefixtures("seeded")

COUNT, CLASSES = 60, 3


def pictures():
    """Pixels in [0, 1]; in each image one channel, which is its class, is bright."""
    rng = np.random.default_rng(0)
    labels = np.arange(COUNT) % CLASSES
    pixels = rng.random((COUNT, 8, 8, 3)).astype(np.float32) / 2
    pixels[np.arange(COUNT), :, :, labels] += 0.5
    return pixels, labels


def brightest(*first):
    """A network whose scores are the mean of each channel after its first layers."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), *first, layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )
    model.layers[-1].set_weights([np.eye(3), np.zeros(3)])
    return model


def loaded(model, preprocessing=None):
    return LoadedModel(model, preprocessing, "net")


def data(**changes):
    pixels, labels = pictures()
    return Dataset(**{"name": "pictures", "pixels": pixels, "labels": labels, **changes})


def rescaling(scale, offset=0.0):
    import keras

    return keras.layers.Rescaling(scale, offset)


def normalization(mean, variance):
    import keras

    return keras.layers.Normalization(mean=[mean] * 3, variance=[variance] * 3)


def nested():
    import keras

    return keras.Sequential([keras.layers.RandomFlip(), rescaling(1 / 127.5, -1)])


def by_arithmetic():
    import keras

    return keras.layers.Lambda(keras.applications.resnet.preprocess_input)


FROM_BYTES = {
    "rescaling": lambda: [rescaling(1 / 255)],
    "to minus one": lambda: [rescaling(1 / 127.5, -1)],
    "normalization": lambda: [normalization(120.0, 60.0**2)],
    "both": lambda: [rescaling(1 / 255), normalization(0.45, 0.05)],
    "nested": lambda: [nested()],
    "arithmetic": lambda: [by_arithmetic()],
}
FROM_ONE = {
    "nothing": list,
    "to minus one": lambda: [rescaling(2.0, -1)],
    "normalization": lambda: [normalization(0.45, 0.05)],
}


@pytest.mark.parametrize("first", FROM_BYTES)
def test_steps_that_rescale_bytes_are_found(first):
    assert network.rescales_bytes(brightest(*FROM_BYTES[first]()))


@pytest.mark.parametrize("first", FROM_ONE)
def test_steps_that_take_pixels_as_they_are_do_not(first):
    assert not network.rescales_bytes(brightest(*FROM_ONE[first]()))


@pytest.mark.parametrize(
    ("name", "answer"), [("EfficientNetB0", True), ("MobileNetV3Small", True), ("MobileNet", False)]
)
def test_networks_of_keras_are_told_apart(name, answer):
    import keras

    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(32, 32, 3), classes=3)
    assert network.rescales_bytes(model) is answer


def test_a_network_may_have_several_outputs_and_begin_with_arithmetic():
    import keras

    images = keras.Input((8, 8, 3))
    values = images / 255.0
    ends = {"a": keras.layers.Conv2D(2, 1)(values), "b": keras.layers.Dense(2)(values)}
    assert network.rescales_bytes(keras.Model(images, ends))


# ---------------------------------------------------------------- what the command takes


def test_a_network_that_rescales_bytes_gets_them_and_says_so():
    units, line = fit_input(loaded(brightest(rescaling(1 / 255))), data(labels=None))
    assert units == BYTES
    assert "rescale pixels from [0, 255], so it gets these" in line
    units, line = fit_input(loaded(brightest(rescaling(1 / 255))), data())
    assert units == BYTES
    assert f"right on {COUNT} of {COUNT} images with them" in line


def test_what_is_set_is_kept():
    model = brightest(rescaling(1 / 255))
    assert fit_input(loaded(model, Preprocessing()), data()) == (Preprocessing(), "")
    own = Preprocessing(mean=(0.5,), std=(0.25,))
    assert fit_input(loaded(model), data(preprocessing=own)) == (own, "")
    assert fit_input(loaded(brightest()), data()) == (Preprocessing(), "")


def test_labels_decide_against_the_first_layer():
    """A threshold that only pixels in [0, 1] pass: with bytes all classes score alike."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), rescaling(1 / 255), layers.GlobalAveragePooling2D(),
         layers.Lambda(lambda x: keras.ops.minimum(x, 0.75 / 255)), layers.Dense(3)]
    )  # fmt: skip
    model.layers[-1].set_weights([255 * np.eye(3), np.array([0.01, 0, 0])])
    units, line = fit_input(loaded(model), data())
    assert units == Preprocessing()
    assert "on 60 with [0, 1], which it gets" in line


# ---------------------------------------------------------------- a network at chance


def weak(model, images, labels):
    net = network.KerasNetwork(model)
    return weakness(net.outputs, images, labels, net.outputs(images), Preprocessing())


def constant(images):
    """Scores of class 0 for every image."""
    return np.eye(1, CLASSES, dtype=np.float32).repeat(len(images), axis=0)


def test_a_network_that_knows_the_classes_is_not_weak():
    pixels, labels = pictures()
    assert weak(brightest(), pixels, labels) is None
    assert weakness(constant, pixels, None, constant(pixels), Preprocessing()) is None


def only(units):
    """A network that is right on pictures in these units and sees class 0 in all other ones."""

    def outputs(images):
        pixels, labels = pictures()
        expected = units(pixels)[: len(images)]
        fits = np.allclose(images, expected, atol=1e-4)
        return np.eye(CLASSES)[labels[: len(images)]] if fits else constant(images)

    return outputs


@pytest.mark.parametrize("name", [name for name in RANGES if name != "pixels in [0, 1]"])
def test_the_input_on_which_it_is_right_is_named(name):
    pixels, labels = pictures()
    outputs = only(RANGES[name])
    found = weakness(outputs, pixels, labels, outputs(pixels), Preprocessing())
    assert f"right on 20 of {COUNT} images, not better than chance (0.33)" in found.line
    assert f"right on {COUNT} of {COUNT} if it gets {name}" in found.cause
    assert found.cause in found.line
    assert len(found.line) < 300


@pytest.mark.parametrize("given", list(RANGES))
def test_images_are_tried_as_the_pixels_that_they_are_made_of(given):
    pixels, labels = pictures()
    outputs, units = only(Preprocessing(mean=(0.5,), std=(0.5,))), RANGES[given]
    if given == "pixels in [-1, 1]":
        outputs = only(BYTES)
    found = weakness(outputs, units(pixels), labels, outputs(units(pixels)), units)
    assert f"right on {COUNT} of {COUNT} if it gets pixels in" in found.cause


@pytest.mark.parametrize("given", ["pixels in [-1, 1]", "pixels in [0, 255]"])
def test_images_of_another_range_are_tried_as_pixels(given):
    pixels, labels = pictures()
    outputs = only(Preprocessing())
    images = RANGES[given](pixels)
    found = weakness(outputs, images, labels, outputs(images), Preprocessing())
    assert "if it gets pixels in [0, 1]" in found.cause


@pytest.mark.parametrize("by", [1, -1])
def test_labels_that_are_off_by_one_are_named(by):
    pixels, labels = pictures()
    scores = np.eye(CLASSES + 2)[labels + 1]
    found = weakness(
        lambda images: scores[: len(images)], pixels, labels + 1 - by, scores, Preprocessing()
    )
    assert f"right on {COUNT} of {COUNT} if {by:+d} is added to each label" in found.cause


def test_classes_in_another_order_are_told_but_may_be_luck():
    pixels, labels = pictures()
    scores = np.eye(CLASSES)[(2 * labels + 1) % CLASSES]
    found = weakness(lambda images: scores[: len(images)], pixels, labels, scores, Preprocessing())
    assert "in another order it would be right on 60" in found.line
    assert not found.cause


def test_a_network_that_knows_nothing_has_no_cause():
    pixels, labels = pictures()
    found = weakness(constant, pixels, labels, constant(pixels), Preprocessing())
    assert "may be others" in found.line
    assert not found.cause


def test_evaluate_tells_it_first_and_keeps_it_in_the_report(caplog):
    pixels, labels = pictures()
    model = brightest()
    told = []

    def watch(model, images, targets):
        told.append([record.getMessage() for record in caplog.records])
        return images * model.layers[-1].kernel.numpy().sum()

    model.layers[-1].set_weights([np.eye(3)[:, [1, 2, 0]], np.zeros(3)])
    with caplog.at_level(logging.WARNING, logger="saliency_bench"):
        found = sb.evaluate(
            model, pixels, labels, explainers={"watch": watch, "gradient": ex.Gradient()},
            options=sb.Options(draws=1),
        )  # fmt: skip
    (line,) = told[0]
    assert line.startswith(f"the network is right on 0 of {COUNT} images, not better than chance")
    assert found.provenance["warnings"] == [line]
