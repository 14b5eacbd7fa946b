import numpy as np
import pytest
import tensorflow as tf

from saliency_bench.metrics.planes import enlarged, plane


def test_channels_are_summed_before_or_after_the_absolute_value():
    one = np.array([[[1.0, -3.0]]], np.float32)
    assert plane(one, absolute=False) == -2
    assert plane(one, absolute=True) == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_undefined_everywhere(bad):
    one = np.ones((2, 2, 1), np.float32)
    one[0, 0] = bad
    assert np.isnan(plane(one, absolute=False, size=(4, 4))).all()


def test_between_two_centres_values_lie_on_a_line():
    # The centres of two pixels lie at 1/4 and 3/4 of the width, those of four at 1/8, 3/8, ...
    assert enlarged(np.array([[0.0, 4.0]]), (1, 4)).tolist() == [[0.0, 1.0, 3.0, 4.0]]


@pytest.mark.parametrize(
    ("own", "size"), [((7, 7), (224, 224)), ((3, 5), (28, 31)), ((1, 1), (4, 6))]
)
def test_a_smaller_map_is_enlarged_as_tensorflow_does(rng, own, size):
    values = rng.normal(size=own)
    reference = tf.image.resize(values[None, ..., None], size, method="bilinear")[0, ..., 0]
    np.testing.assert_allclose(enlarged(values, size), reference, atol=1e-5)


def test_a_constant_map_stays_constant(rng):
    np.testing.assert_allclose(enlarged(np.full((3, 4), 2.5), (17, 23)), 2.5, rtol=1e-14)


@pytest.mark.parametrize("size", [(2, 3), (3, 2)])
def test_a_map_larger_than_its_image_is_refused(size):
    with pytest.raises(
        ValueError, match=r"no larger than their images; got \(3, 3\) for \(\d, \d\)"
    ):
        plane(np.ones((3, 3, 1), np.float32), absolute=False, size=size)
