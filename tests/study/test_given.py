"""What `evaluate` is given to explain: batches are the arrays they hold, to the bit."""

import logging

import numpy as np
import pytest
from helpers.lazily import keras, tf

import saliency_bench as sb
from saliency_bench.study.given import MOST, given

N = 12
IMAGES = np.random.default_rng(0).standard_normal((N, 8, 8, 1)).astype(np.float32)
LABELS = np.arange(N) % 3
ASKED = {"explainers": "gradient", "similarities": "spearman_signed"}


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


@pytest.fixture(scope="module")
def of_arrays(network):
    return sb.evaluate(network, IMAGES[:6], LABELS[:6], **ASKED, options=sb.Options(draws=2))


class Own:
    """A plain iterable of batches."""

    def __iter__(self):
        return ((IMAGES[i : i + 4], np.eye(3)[LABELS[i : i + 4]]) for i in range(0, N, 4))


def in_batches(kind):
    whole = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(5)
    return {"tf.data": whole.repeat(), "iterable": Own()}[kind]


@pytest.mark.parametrize("kind", ["tf.data", "iterable"])
def test_batches_give_the_bits_of_the_arrays(network, of_arrays, kind):
    options = sb.Options(draws=2, n_images=6)
    found = sb.evaluate(network, in_batches(kind), **ASKED, options=options)
    assert found.scores.equals(of_arrays.scores)
    assert found.summary.equals(of_arrays.summary)
    for name in ("images_hash", "targets_hash"):
        assert found.provenance[name] == of_arrays.provenance[name]


def test_without_a_number_the_first_64_are_taken_and_it_is_said(network, caplog):
    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).repeat().batch(10)
    taken = given(data, None, sb.Options())
    assert len(taken.images) == len(taken.targets) == MOST == 64
    (line,) = taken.remarks
    assert line.startswith("the first 64 images of the batches are explained; Options(n_images=")
    with caplog.at_level(logging.WARNING):
        results = sb.evaluate(network, data, **ASKED, options=sb.Options(draws=1))
    assert line in caplog.messages
    assert line in results.provenance["warnings"]


def test_a_number_of_images_of_an_array_is_that_of_the_command_line():
    options = sb.Options(n_images=3, regions=np.arange(N)[:, None, None] % 2 * np.ones((1, 8, 8)))
    taken = given(IMAGES, LABELS, options)
    np.testing.assert_array_equal(taken.images, IMAGES[:3])
    np.testing.assert_array_equal(taken.targets, LABELS[:3])
    np.testing.assert_array_equal(taken.options.regions[:, 0, 0], [False, True, False])
    evenly = given(IMAGES, np.sort(LABELS), options)  # data that is sorted by class
    np.testing.assert_array_equal(evenly.images, IMAGES[[0, 4, 8]])
    np.testing.assert_array_equal(evenly.targets, [0, 1, 2])


def test_all_of_an_array_is_what_was_given():
    taken = given(IMAGES, LABELS, sb.Options())
    assert taken.images is IMAGES
    assert taken.targets is LABELS
    assert taken.remarks == ()


@pytest.mark.parametrize("images", [IMAGES, [(IMAGES, LABELS)]])
def test_fewer_than_asked_for_are_said(images):
    (line,) = given(images, None, sb.Options(n_images=20)).remarks
    assert line == "n_images=20, but there are 12 images"


@pytest.mark.parametrize(
    ("images", "targets", "rule"),
    [
        ([(IMAGES, LABELS)], LABELS, "targets must be None beside batches, .*; got a ndarray"),
        ([(IMAGES, LABELS + 1)], None, r"targets must lie in 0\.\.2; got 1 to 3"),
        ([(IMAGES[:, :4], LABELS)], None, "model"),
        (iter(IMAGES), None, r"use \.batch\(32\)"),
        (iter(()), None, "got none"),
    ],
)
def test_refusals_are_one_line(network, images, targets, rule):
    with pytest.raises(ValueError, match=rule) as raised:
        sb.evaluate(network, images, targets, **ASKED)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "many", True])
def test_a_wrong_number_is_refused(wrong):
    with pytest.raises(ValueError, match="n_images must be at least 1; got"):
        sb.Options(n_images=wrong)
