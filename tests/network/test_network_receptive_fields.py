"""Receptive fields that are computed from the graph, against those that gradients measure."""

import numpy as np
import pytest
from helpers.lazily import keras, layers, tf

from saliency_bench.network.forward import compile_graph, forward_pass
from saliency_bench.network.geometry.axes import as_line, is_lost
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS, Line
from saliency_bench.network.geometry.regroup import regrouped
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.network.path import Path

SIZE = (24, 20)


def conv(*args, **settings):
    """A convolution without zeros, so that every pixel that is seen has a gradient."""
    return layers.Conv2D(2, *args, kernel_initializer="ones", **settings)


def mean(*args, **settings):
    return layers.AveragePooling2D(*args, **settings)


def patches(x):
    parts = keras.ops.reshape(x, (-1, 6, 4, 5, 4, 1))
    return keras.ops.reshape(keras.ops.transpose(parts, (0, 1, 3, 2, 4, 5)), (-1, 6, 5, 16))


def shuffled(x):
    """Depth to space, by hand: four channels become 2x2 pixels."""
    parts = keras.ops.reshape(x, (-1, 12, 10, 2, 2, 1))
    return keras.ops.reshape(keras.ops.transpose(parts, (0, 1, 3, 2, 4, 5)), (-1, 24, 20, 1))


def tokens(x):
    """To tokens, through a dense layer, and back; the number of tokens is not written down."""
    flat = tf.reshape(x, [tf.shape(x)[0], -1, 2])
    mixed = tf.tensordot(flat, tf.ones((2, 3)), 1)
    return tf.reshape(mixed, [-1, 12, 10, 3])


def squeezed(x):
    gate = keras.ops.mean(x, axis=(1, 2), keepdims=True)
    return x * (1 + 0 * gate)


def rolled(x):
    return tf.roll(tf.concat([x[:, 5:], x[:, :5]], axis=1), [5, 0], [1, 2])


def windowed(x):
    """Windows of a shifted map, and back: each position stays what it was."""
    parts = tf.reshape(tf.roll(x, [-1, -2], [1, 2]), [-1, 6, 2, 2, 5, 2])
    parts = tf.reshape(tf.transpose(parts, [0, 1, 3, 2, 4, 5]), [-1, 10, 2])
    parts = tf.transpose(tf.reshape(2 * parts, [-1, 6, 2, 2, 5, 2]), [0, 1, 3, 2, 4, 5])
    return tf.roll(tf.reshape(parts, [-1, 12, 10, 2]), [1, 2], [1, 2])


def extracted(x):
    return tf.image.extract_patches(x, [1, 4, 5, 1], [1, 4, 5, 1], [1, 1, 1, 1], "VALID")


def to_channels(x):
    return tf.nn.space_to_depth(x, 2)


NETWORKS = {
    "valid": lambda: [conv(3), conv(3, strides=2), mean(2)],
    "same": lambda: [conv(3, padding="same", strides=2), conv(5, padding="same"), mean(2)],
    "even kernel": lambda: [conv(4, padding="same", strides=3), conv(2, padding="same")],
    "dilated": lambda: [conv(3, dilation_rate=3), conv(3, dilation_rate=2)],
    "depthwise": lambda: [
        layers.DepthwiseConv2D(3, depthwise_initializer="ones", dilation_rate=2),
        layers.DepthwiseConv2D(3, depthwise_initializer="ones", strides=2),
    ],
    "separable": lambda: [
        layers.SeparableConv2D(2, 3, depthwise_initializer="ones", pointwise_initializer="ones")
    ],
    "padded": lambda: [layers.ZeroPadding2D(((5, 2), (0, 7))), conv(3), mean(2)],
    "cropped": lambda: [layers.Cropping2D(((6, 3), (1, 9))), conv(3, padding="same"), mean(2)],
    "cropped late": lambda: [conv(3, strides=2), layers.Cropping2D(((2, 1), (3, 0))), conv(3)],
    "centre": lambda: [layers.CenterCrop(10, 12), conv(3, strides=2)],
    "doubled": lambda: [mean(2), layers.UpSampling2D(2), conv(3)],
    "transposed": lambda: [
        layers.Conv2DTranspose(1, 3, strides=2, padding="same", kernel_initializer="ones"),
        layers.Conv2DTranspose(1, 2, strides=2, kernel_initializer="ones"),
        mean(3),
    ],
    "patches": lambda: [layers.Lambda(patches)],
    "shuffled": lambda: [
        layers.Conv2D(4, 2, strides=2, kernel_initializer="ones"),
        layers.Lambda(shuffled),
    ],
    "tokens": lambda: [conv(2, strides=2), layers.Lambda(tokens)],
    "turned": lambda: [conv(3, strides=2), layers.Permute((2, 1, 3))],
    "channels first": lambda: [
        layers.Permute((3, 1, 2)),
        conv(3, strides=2, data_format="channels_first"),
    ],
    "squeezed": lambda: [conv(3), layers.Lambda(squeezed)],
    "normalized": lambda: [conv(3), layers.BatchNormalization(), layers.ReLU()],
    "every second": lambda: [layers.Lambda(lambda x: x[:, 1::2, 3:-2:3])],
    "rolled back": lambda: [conv(3), layers.Lambda(rolled)],
    "shifted windows": lambda: [conv(2, strides=2), layers.Lambda(windowed)],
    "padding taken off": lambda: [
        layers.ZeroPadding2D(((0, 3), (2, 0))),
        conv(3),
        layers.Cropping2D(((0, 3), (2, 0))),
    ],
    "extracted": lambda: [layers.Lambda(extracted)],
    "to channels": lambda: [conv(3, padding="same"), layers.Lambda(to_channels)],
    "split rows": lambda: [conv(2, strides=2), layers.Lambda(lambda x: tf.split(x, [3, 9], 1)[1])],
    "split": lambda: [conv(3), layers.Lambda(lambda x: keras.ops.split(x, 2, axis=-1)[1])],
}


NEAR = {"doubled": 1, "shuffled": 1, "transposed": 1}
"""Pixels by which the ends of a field may be off: neighbours that are made of one position see the
same, and lie beside each other.
"""


def traced(stack):
    """The geometry of a network's last tensor, and a function of its gradients."""
    model = keras.Sequential([keras.Input((*SIZE, 1)), *stack])
    found = {}

    def trace(images):
        value = forward_pass(model, images, output=last).scores
        path = Path(images, value, [])
        found["axes"] = Geometry(path).axes(found["tensor"])
        return value

    def last(result):
        found["tensor"] = result.value
        return tf.reduce_sum(result.value, axis=list(range(1, result.value.shape.rank)))

    compile_graph(trace, (tf.TensorSpec([None, *SIZE, 1], tf.float32),))
    return model, found["axes"]


def measured(model, place, count):
    """The first and last pixel, along each side of the picture, that each position sees."""
    images = tf.Variable(np.random.default_rng(0).random((1, *SIZE, 1)).astype(np.float32) + 1)
    seen = []
    for position in range(count):
        with tf.GradientTape() as tape:
            values = tf.gather(model(images), position, axis=place)
            total = tf.reduce_sum(values)
        pixels = np.argwhere(tape.gradient(total, images).numpy()[0, :, :, 0])
        seen.append([] if not len(pixels) else [pixels.min(axis=0), pixels.max(axis=0) + 1])
    return seen


@pytest.mark.parametrize("name", NETWORKS)
def test_computed_fields_are_measured(name, seeded):
    keras.utils.set_random_seed(0)
    model, axes = traced(NETWORKS[name]())
    directions = set()
    for place, axis in enumerate(axes):
        line = as_line(axis)
        if line is None:
            continue
        assert not is_lost(axis)
        directions.add(line.direction)
        side = (ROWS, COLUMNS).index(line.direction)
        for position, ends in enumerate(measured(model, place, line.size)):
            start = line.start + line.stride * position
            wanted = max(start, line.low), min(start + line.field, line.high)
            if ends:
                found = ends[0][side], ends[1][side]
                np.testing.assert_allclose(found, outward(wanted), atol=NEAR.get(name, 0))
            else:
                assert wanted[0] >= wanted[1] - NEAR.get(name, 0)  # It sees only padding.
    assert directions == {ROWS, COLUMNS}


def outward(ends):
    """Whole pixels around an interval: a resampled position may end between pixels."""
    return np.floor(ends[0] + 1e-6), np.ceil(ends[1] - 1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(48, 40), (12, 10), (17, 31)])
def test_centres_of_resized_maps_are_measured(size, interpolation):
    """The mean of a resized ramp is where the position lies: half-pixel centres."""
    stack = [layers.Resizing(*size, interpolation=interpolation)]
    _, axes = traced(stack)
    for axis, old, new in zip(axes[1:3], SIZE, size, strict=True):
        line = as_line(axis)
        centres = line.centre + line.stride * np.arange(line.size)
        np.testing.assert_allclose(centres, (np.arange(new) + 0.5) * old / new, atol=1e-9)


def test_what_nothing_tells_is_lost():
    for odd in (
        layers.Lambda(lambda x: tf.reverse(x, [1])),
        layers.Lambda(lambda x: tf.sort(x, axis=1)),
        layers.Lambda(lambda x: tf.gather(x, [3, 1, 2], axis=1)),
    ):
        _, axes = traced([conv(3), odd])
        assert is_lost(axes[1])


def test_a_dense_layer_on_all_pixels_lies_nowhere():
    _, axes = traced([layers.Flatten(), layers.Dense(12), layers.Reshape((3, 4, 1)), conv(2)])
    assert [as_line(axis) for axis in axes] == [None] * 4
    assert not any(map(is_lost, axes))


def line(direction, size):
    return Line.pixels(direction, size)


def test_reshapes_keep_factors_in_their_order():
    rows, columns = (line(ROWS, 6),), (line(COLUMNS, 4),)
    axes = rows, columns
    (both,) = regrouped(axes, [24])
    assert both == (*rows, *columns)
    assert regrouped((both,), [6, 4]) == axes
    assert regrouped(axes, [6, 1, 4]) == (rows, regrouped((), [1])[0], columns)
    outer, inner = regrouped((rows,), [3, 2])
    assert as_line(outer) == Line(ROWS, 3, 0.0, 2.0, 2.0, 0.0, 6.0)
    assert (inner[0].size, as_line(inner)) == (2, None)
    assert regrouped((outer, inner), [6]) == (rows,)
    assert all(map(is_lost, regrouped((rows,), [4, 2])))
