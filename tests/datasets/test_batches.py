"""Batches of any origin: the first images as they came, class numbers, one-line refusals."""

import itertools

import numpy as np
import pytest
from helpers.lazily import keras, tf

from saliency_bench.datasets import batches
from saliency_bench.datasets.batches import are_batches, as_class_numbers, gather

N = 10
IMAGES = np.random.default_rng(0).random((N, 4, 5, 3)).astype(np.float32)
LABELS = np.arange(N) % 3
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def cut(*arrays, size=4):
    """Batches of arrays, as tuples."""
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, N, size)]


def py_dataset(parts, count):
    """A Keras `PyDataset` of batches, which never ends by itself; `count`: what it says."""

    class Own(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.read = []

        @property
        def num_batches(self):
            return count

        def __getitem__(self, place):
            self.read.append(place)
            return parts[place % len(parts)]

    return Own()


def sources():
    whole = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    parts = cut(IMAGES, LABELS)
    return {
        "tf.data": whole.batch(4),
        "PyDataset": py_dataset(parts, len(parts)),
        "list": parts,
        "generator": (part for part in parts),
    }


@pytest.mark.parametrize("kind", ["tf.data", "PyDataset", "list", "generator"])
@pytest.mark.parametrize("limit", [None, 3, 4, 9, N, N + 1])
def test_the_first_images_of_any_source_in_their_order(kind, limit):
    data = sources()[kind]
    assert are_batches(data)
    found = gather(data, limit)
    np.testing.assert_array_equal(found.images, IMAGES[:limit])
    np.testing.assert_array_equal(found.labels, LABELS[:limit])
    assert (found.images.dtype, found.labels.dtype) == (np.float32, np.int64)
    assert found.whole == (limit is None or limit > N)


@pytest.mark.parametrize(
    "labels",
    [LABELS, LABELS[:, None], LABELS.astype(np.uint8), LABELS[:, None].astype(np.float32), ONE_HOT,
     ONE_HOT.astype(bool), ONE_HOT.astype(int)],
)  # fmt: skip
def test_labels_in_every_form(labels):
    np.testing.assert_array_equal(gather(cut(IMAGES, labels)).labels, LABELS)
    np.testing.assert_array_equal(as_class_numbers(labels, N), LABELS)


def test_weights_are_ignored_and_labels_may_be_missing():
    np.testing.assert_array_equal(gather(cut(IMAGES, LABELS, np.ones(N))).labels, LABELS)
    for alone in (cut(IMAGES), (part for (part,) in cut(IMAGES))):
        found = gather(alone)
        assert found.labels is None
        np.testing.assert_array_equal(found.images, IMAGES)


def test_bytes_stay_bytes():
    pixels = (255 * IMAGES).astype(np.uint8)
    assert gather(tf.data.Dataset.from_tensor_slices(pixels).batch(3)).images.dtype == np.uint8


def test_an_endless_source_is_read_no_further_than_needed():
    endless = py_dataset(cut(IMAGES, LABELS), None)
    assert len(gather(endless, 6).images) == 6
    assert endless.read == [0, 1]
    drawn = itertools.count()
    assert len(gather((IMAGES[:4] for _ in drawn), 8).images) == 8
    assert next(drawn) == 2
    repeated = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4).repeat()
    assert len(gather(repeated, 25).images) == 25


@pytest.mark.parametrize(
    "data",
    [IMAGES, list(IMAGES), IMAGES.tolist(), tuple(IMAGES), [], None, 3, "text", b"bytes", {"a": 1}],
)
def test_what_numpy_reads_is_no_batches(data):
    assert not are_batches(data)


def test_tensors_are_arrays():
    assert not are_batches(tf.constant(IMAGES))


def fails():
    yield IMAGES[:4]
    raise KeyError("no such\nfile")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (iter(()), "at least one batch; got none"),
        (iter(IMAGES), r"got \(4, 5, 3\): use \.batch\(32\)"),
        (iter([IMAGES[:0]]), r"B >= 1; got shape \(0, 4, 5, 3\)"),
        (iter([3]), r"must be \[B, H, W, C\] .* got shape \(\)"),
        (iter([{"image": IMAGES, "label": LABELS}]), "a mapping with image, label: map it to"),
        (iter([(IMAGES,) * 4]), "got 4 parts"),
        (iter(["text"]), r"a batch must be numbers \[B, H, W, C\]; got text"),
        ([(IMAGES, LABELS[:3])], r"10 class numbers, .*; got shape \(3,\)"),
        ([(IMAGES, LABELS + 0.5)], "labels must hold whole numbers from 0 on, got 0.5"),
        ([(IMAGES, LABELS - 1)], "whole numbers from 0 on, got -1"),
        ([(IMAGES, ONE_HOT * 0.9 + 0.03)], "one-hot .*; row 0 is 0.93 0.03 0.03"),
        ([(IMAGES, np.ones((N, 20)))], r"row 0 is 1 1 1 1 1 1 1 1 \.\.\."),
        ([(IMAGES, ["a"] * N)], "got text"),
        ([(IMAGES, LABELS), (IMAGES,)], "some with and some without"),
        ([(IMAGES, LABELS), (IMAGES[:, :3], LABELS)], r"got \(4, 5, 3\) and \(3, 5, 3\)"),
        (fails(), "readable batch by batch: KeyError"),
    ],
)
def test_refusals_are_one_line(data, rule):
    with pytest.raises(ValueError, match=rule) as raised:
        gather(data)
    assert "\n" not in str(raised.value)


def test_all_of_what_has_no_end_is_refused():
    repeated = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4).repeat()
    for endless in (repeated, py_dataset(cut(IMAGES), None)):
        with pytest.raises(ValueError, match="it has no end: the number of images must be given"):
            batches.gather(endless)
