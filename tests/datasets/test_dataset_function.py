"""A user's function as a data set: every form it may return, its units, and every mistake."""

import sys
from functools import partial

import numpy as np
import pytest
import yaml
from helpers.lazily import keras, tf

from saliency_bench.cli.objects import config_dir
from saliency_bench.datasets import Digits, Function, Source
from saliency_bench.protocols import Dataset

N = 10
X = np.random.default_rng(0).random((N, 4, 5, 3)).astype(np.float32)
Y = np.arange(N) % 3
TRAIN = X[:6] / 2, Y[:6]


class Batches:
    """An iterable of batches that can be read again."""

    def __init__(self, *arrays, size=4):
        self.arrays, self.size, self.read = arrays, size, 0

    def __iter__(self):
        for start in range(0, len(self.arrays[0]), self.size):
            self.read += 1
            parts = tuple(array[start : start + self.size] for array in self.arrays)
            yield parts if len(parts) > 1 else parts[0]


def loaded(given, *, train=False, **settings):
    return Function(lambda: given, **settings).load(train=train)


def forms():
    return {
        "pair": (X, Y),
        "column": (X, Y[:, None]),
        "one-hot": (X, np.eye(3)[Y]),
        "batches": Batches(X, Y),
        "tf.data": tf.data.Dataset.from_tensor_slices((X, Y)).batch(4),
        "list": [(X[:7], Y[:7]), (X[7:], Y[7:])],
        "as keras.datasets": (TRAIN, (X, Y[:, None])),
        "batches to train on": (Batches(*TRAIN), Batches(X, Y)),
        "mapping": {"train": TRAIN, "test": (X, Y)},
        "mapping of batches": {"test": Batches(X, Y)},
        "dataset": Dataset("its own", X, Y, classes=("a", "b", "c")),
    }


@pytest.mark.parametrize("form", [
    "pair", "column", "one-hot", "batches", "tf.data", "list", "as keras.datasets",
    "batches to train on", "mapping", "mapping of batches", "dataset",
])  # fmt: skip
def test_every_form_gives_the_same_images(form):
    dataset = loaded(forms()[form])
    np.testing.assert_array_equal(dataset.pixels, X)
    np.testing.assert_array_equal(dataset.labels, Y)
    assert (dataset.pixels.dtype, dataset.labels.dtype) == (np.float32, np.int64)
    assert dataset.train_pixels is None


@pytest.mark.parametrize("form", ["as keras.datasets", "batches to train on", "mapping"])
def test_a_second_part_is_to_train_on(form):
    dataset = loaded(forms()[form], train=True)
    np.testing.assert_array_equal(dataset.train_pixels, TRAIN[0])
    np.testing.assert_array_equal(dataset.train_labels, TRAIN[1])
    np.testing.assert_array_equal(dataset.pixels, X)
    few = loaded(forms()[form], train=True, train_limit=2)
    np.testing.assert_array_equal(few.train_labels, TRAIN[1][:2])
    assert len(few.train_pixels) == 2


@pytest.mark.parametrize("given", [X, Batches(X)])
def test_labels_may_be_missing(given):
    dataset = loaded(given, train=True)
    np.testing.assert_array_equal(dataset.pixels, X)
    assert dataset.labels is None


def test_bytes_are_pixels_and_mean_and_std_are_units():
    pixels = (255 * X).astype(np.uint8)
    dataset = loaded((pixels, Y), mean=0.5, std=[0.1, 0.2, 0.3], classes=["a", "b", "c"])
    np.testing.assert_allclose(dataset.pixels, pixels / 255, rtol=1e-6)
    np.testing.assert_allclose(
        dataset.images, (pixels / 255 - 0.5) / [0.1, 0.2, 0.3], rtol=1e-5, atol=1e-5
    )
    assert dataset.classes == ("a", "b", "c")


def test_batches_are_read_no_further_than_the_limit():
    batches, unread = Batches(X, Y), Batches(*TRAIN)
    assert len(loaded((unread, batches), limit=3).pixels) == 3
    assert (batches.read, unread.read) == (1, 0)
    # Of an array the study itself takes its images, spread over the classes if it must.
    assert len(loaded((X, Y), limit=3).pixels) == N


def test_a_keras_dataset_class_is_a_function():
    class Own(keras.utils.PyDataset):
        def __init__(self, size):
            super().__init__()
            self.size = size

        def __len__(self):
            return -(-N // self.size)

        def __getitem__(self, place):
            rows = slice(place * self.size, (place + 1) * self.size)
            return X[rows], Y[rows]

    source = Function(partial(Own, size=3))
    assert source.name == "Own"
    np.testing.assert_array_equal(source.load().labels, Y)


def test_a_source_that_it_returns_is_loaded():
    dataset = Function(Digits).load(train=False)
    np.testing.assert_array_equal(dataset.pixels, Digits().load(train=False).pixels)


def first(n=3):
    return X[:n], Y[:n]


def second(n=3):
    return X[:n], Y[:n]


def test_its_fingerprint_is_its_source_its_arguments_and_its_settings():
    assert isinstance(Function(first), Source)
    prints = [
        Function(first),
        Function(second),
        Function(partial(first, 4)),
        Function(partial(first, 5)),
        Function(first, mean=0.5),
        Function(first, classes=["a"]),
        Function(first, train_limit=5),
    ]
    assert len({source.fingerprint() for source in prints}) == len(prints)
    assert Function(partial(first, 4)).fingerprint() == Function(partial(first, 4)).fingerprint()
    assert Function(partial(first, 4)).name == "first"


def test_its_defaults_stand_in_conf():
    with open(f"{config_dir()}/dataset/function.yaml", encoding="utf-8") as file:
        stated = yaml.safe_load(file)
    assert stated.pop("_target_") == "???"
    assert stated.pop("limit") == "${n_images}"
    own = Function(first)
    assert {name: getattr(own, name) for name in stated} == stated | {"classes": ()}


def raises():
    raise KeyError("no such\nfile")


@pytest.mark.parametrize(
    ("build", "settings", "rule"),
    [
        (raises, {}, r"dataset raises must return images: it raised KeyError: 'no such"),
        (partial(sys.exit, 3), {}, r"ended the process by sys\.exit\(3\)"),
        (lambda: None, {}, r"numbers \[N, H, W, C\]; got None"),
        (lambda: (X, Y, Y), {}, "got 3 parts"),
        (lambda: {"x": X, "y": Y}, {}, "train and test; got a mapping with x, y"),
        (lambda: {"train": TRAIN}, {}, "got a mapping with train"),
        (lambda: (X, Y[:3]), {}, r"10 class numbers, .*; got shape \(3,\)"),
        (
            lambda: (255 * X, Y),
            {},
            r"uint8 from 0 to 255 or floats that are finite",
        ),
        (lambda: (np.moveaxis(np.tile(X, (1, 8, 8, 1)), -1, 1), Y), {}, "channels come first"),
        (lambda: (X, Y), {"mean": [0.5, 0.5]}, "mean must hold 1 number or one for each of 3"),
        (lambda: (X, Y), {"classes": ["a"]}, "classes must name every label"),
        (lambda: (TRAIN, (X[:, :3], Y)), {}, "images to train on must have the shape"),
        (lambda: Dataset("own", X, Y), {"mean": 0.5}, "mean must be left out: .* got 0.5"),
        (lambda: Dataset("own", X), {"classes": ["a"]}, "classes must be left out"),
    ],
)
def test_mistakes_are_one_line(build, settings, rule):
    with pytest.raises(ValueError, match=rule) as raised:
        Function(build, **settings).load()
    assert "\n" not in str(raised.value)


def test_all_images_to_train_on_of_what_has_no_end_are_refused():
    endless = tf.data.Dataset.from_tensor_slices((X, Y)).batch(2).repeat()
    with pytest.raises(ValueError, match="it has no end"):
        loaded((endless, endless), train=True, limit=5)
    both = loaded((endless, endless), train=True, limit=5, train_limit=3)
    assert (len(both.pixels), len(both.train_pixels)) == (5, 3)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [({"limit": 0}, "limit must be at least 1"), ({"std": 0}, "std must be positive"),
     ({"train_limit": -1}, "train_limit must be at least 1")],
)  # fmt: skip
def test_wrong_settings_are_refused(settings, rule):
    with pytest.raises(ValueError, match=rule):
        Function(first, **settings)
