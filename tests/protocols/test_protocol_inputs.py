"""What is no array of images or of classes is refused in one line that says what it is."""

import re

import numpy as np
import pytest

from saliency_bench.protocols import inputs

IMAGES = np.random.default_rng(0).random((6, 12, 10, 3)).astype(np.float32)
N = len(IMAGES)
RAGGED = "arrays of several shapes, (12, 10, 3) and (9, 10, 3)"
NUMBERS = "images must be numbers [N, H, W, C]; got "
SHAPE = "images must be [N, H, W, C] with N >= 1; got shape "

NO_IMAGES = [
    (None, f"{NUMBERS}None"),
    ({"x": IMAGES}, f"{NUMBERS}a dict of objects"),
    ({1.0, 2.0}, f"{NUMBERS}a set of objects"),
    ((image for image in IMAGES), f"{NUMBERS}a generator of objects"),
    ("cat.jpg", f"{NUMBERS}text"),
    (b"cat.jpg", f"{NUMBERS}text"),
    (["a.png", "b.png"], f"{NUMBERS}text"),
    (IMAGES + 1j, f"{NUMBERS}an array of complex64"),
    (np.zeros((2, 2, 2, 2), "M8[s]"), f"{NUMBERS}an array of datetime64[s]"),
    (np.zeros((2, 2, 2, 2), [("red", "f4")]), f"{NUMBERS}an array of [('red', '<f4')]"),
    ([IMAGES[0], IMAGES[1][:9]], f"{NUMBERS}{RAGGED}"),
    (np.array([IMAGES[0], IMAGES[1][:9]], object), f"{NUMBERS}{RAGGED}"),
    ([IMAGES[0].tolist(), IMAGES[1][:9].tolist()], f"{NUMBERS}{RAGGED}"),
    ([[1, [2]], [3, 4]], f"{NUMBERS}arrays of several shapes, a ragged one and (2,)"),
    (np.array(None), f"{NUMBERS}a ndarray of objects"),
    (IMAGES[:0], f"{SHAPE}(0, 12, 10, 3)"),
    (IMAGES[..., :0], f"{SHAPE}(6, 12, 10, 0)"),
    (IMAGES[0], f"{SHAPE}(12, 10, 3)"),
    (5, f"{SHAPE}()"),
]

INTEGERS = "targets must be 6 integers, one per image; got "
NO_TARGETS = [
    (None, f"{INTEGERS}None"),
    ({}, f"{INTEGERS}a dict of objects"),
    (list("abcdef"), f"{INTEGERS}text"),
    ([[1], [1, 2]], f"{INTEGERS}arrays of several shapes, (1,) and (2,)"),
    (np.zeros(N), f"{INTEGERS}float64 of shape (6,)"),
    (np.full(N, np.nan), f"{INTEGERS}float64 of shape (6,)"),
    (np.ones(N, bool), f"{INTEGERS}bool of shape (6,)"),
    (np.eye(N, dtype=int), f"{INTEGERS}int64 of shape (6, 6)"),
    (np.zeros(5, int), f"{INTEGERS}int64 of shape (5,)"),
    ([2**70] * N, f"{INTEGERS}a list of objects"),
    ([0, 1, -3, 0, 0, 0], "targets must hold whole numbers from 0 on, got -3 at index [2]"),
    (
        np.full(N, 2**63 + 5, np.uint64),
        "targets must hold class numbers below 1000000, got 9223372036854775813 at index [0]",
    ),
    ([0, 10**6, 1, 1, 1, 1], "class numbers below 1000000, got 1000000 at index [1]"),
]


@pytest.mark.parametrize(("images", "line"), NO_IMAGES)
def test_what_are_no_images(images, line):
    with pytest.raises(ValueError, match=re.escape(line)) as raised:
        inputs.as_images(images)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(("targets", "line"), NO_TARGETS)
def test_what_are_no_targets(targets, line):
    with pytest.raises(ValueError, match=re.escape(line)):
        inputs.as_targets(targets, N)


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64", "float16", "float64", "longdouble"])
def test_every_kind_of_number_is_taken_as_it_is(kind):
    images = (IMAGES * 9).astype(kind)
    assert inputs.as_images(images) is images
    np.testing.assert_array_equal(inputs.as_images(images.tolist()), images)


def test_tensors_are_taken():
    import tensorflow as tf

    np.testing.assert_array_equal(inputs.as_images(tf.constant(IMAGES)), IMAGES)
    half = inputs.as_images(tf.cast(IMAGES, tf.bfloat16))
    np.testing.assert_allclose(half.astype(np.float32), IMAGES, rtol=1 / 128)
    targets = inputs.as_targets(tf.range(N), N)
    np.testing.assert_array_equal(targets, range(N))
    assert targets.dtype == np.int64


@pytest.mark.parametrize("kind", ["int8", "uint64", "float32"])
def test_classes_are_whole_numbers_of_any_kind(kind):
    given = np.array([0, 3, 100], kind)
    found = inputs.as_classes(given, "y")
    np.testing.assert_array_equal(found, [0, 3, 100])
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    "shape",
    [(5, 3, 32, 32), (5, 1, 28, 28), (5, 4, 8, 8), (5, 3, 24, 32), (5, 4, 480, 640)],
)
def test_channels_that_come_first_are_named(shape):
    line = f"x must be [N, H, W, C]; got {shape}, whose channels come first: use np.moveaxis"
    with pytest.raises(ValueError, match=re.escape(line)):
        inputs.require_channels_last(shape, "x")


@pytest.mark.parametrize(
    "shape",
    [
        (5, 32, 32, 3), (5, 32, 32, 1), (5, 3, 32, 3), (5, 3, 3, 3), (5, 4, 4, 4), (5, 1, 60, 1),
        (5, 1, 250, 22), (5, 3, 32, 8), (5, 60, 1, 1), (5, 32, 32, 32), (5, 2, 32, 32),
    ],
)  # fmt: skip
def test_channels_that_come_last_pass(shape):
    inputs.require_channels_last(shape, "x")
