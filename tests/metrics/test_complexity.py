import numpy as np
import pytest

from saliency_bench import metrics

BOTH = [metrics.Gini(), metrics.Entropy()]


def values(metric, maps):
    maps = np.asarray(maps, np.float32)
    maps = maps[..., None] if maps.ndim == 3 else maps
    return metric.bind(None)(maps, np.zeros((len(maps), 8, 8, 1)), np.zeros(len(maps), np.int64))


@pytest.mark.parametrize("size", [(28, 28, 1), (224, 224, 3), (7, 7, 1)], ids=str)
def test_a_constant_map_is_as_even_as_can_be(size):
    maps = np.full((1, *size), -0.3, np.float32)
    assert values(metrics.Gini(), maps) == [0]
    assert values(metrics.Entropy(), maps) == pytest.approx([1], rel=1e-12)


@pytest.mark.parametrize("size", [(28, 28, 1), (224, 224, 3)], ids=str)
def test_one_pixel_is_as_sparse_as_can_be(size):
    maps = np.zeros((1, *size), np.float32)
    maps[0, 3, 5] = -2
    count = size[0] * size[1]
    assert values(metrics.Gini(), maps) == pytest.approx([(count - 1) / count], rel=1e-14)
    assert values(metrics.Entropy(), maps) == [0]


def test_a_map_of_four_pixels():
    maps = [[[1.0, -2.0], [0.0, 5.0]]]
    # Sorted 0, 1, 2, 5 with the weights -3, -1, 1, 3: (-1 + 2 + 15) / (4 * 8).
    assert values(metrics.Gini(), maps) == pytest.approx([16 / 32], rel=1e-14)
    shares = np.array([1, 2, 5]) / 8
    entropy = -(shares * np.log(shares)).sum() / np.log(4)
    assert values(metrics.Entropy(), maps) == pytest.approx([entropy], rel=1e-14)


def test_half_of_the_pixels_alike():
    maps = np.kron([[1.0, 0.0]], np.ones((6, 3)))[None]
    assert values(metrics.Gini(), maps) == pytest.approx([0.5], rel=1e-14)
    assert values(metrics.Entropy(), maps) == pytest.approx([np.log(18) / np.log(36)], rel=1e-14)


def test_gini_is_half_the_relative_mean_difference(rng):
    """The definition by pairs of pixels: mean |a - b| / (2 mean)."""
    maps = rng.normal(size=(3, 5, 6))
    flat = np.abs(maps.astype(np.float32)).astype(float).reshape(3, -1)
    pairs = np.abs(flat[:, :, None] - flat[:, None]).mean(axis=(1, 2))
    np.testing.assert_allclose(
        values(metrics.Gini(), maps), pairs / (2 * flat.mean(axis=1)), rtol=1e-12
    )


@pytest.mark.parametrize("metric", BOTH, ids=repr)
@pytest.mark.parametrize("factor", [2.0**-90, -(2.0**60)])
def test_neither_sign_nor_scale_counts(rng, metric, factor):
    maps = rng.normal(size=(4, 6, 5)).astype(np.float32)
    np.testing.assert_array_equal(values(metric, maps), values(metric, factor * maps))


def test_gini_does_not_depend_on_the_number_of_pixels(rng):
    maps = rng.normal(size=(2, 4, 4))
    larger = maps.repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_allclose(
        values(metrics.Gini(), larger), values(metrics.Gini(), maps), rtol=1e-12
    )


def test_channels_do_not_cancel():
    maps = np.array([[[[1.0, -1.0], [0.0, 0.0]]]])
    assert values(metrics.Entropy(), maps) == [0]


@pytest.mark.parametrize("metric", BOTH, ids=repr)
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_zeros_and_what_is_not_finite_are_undefined(metric, value):
    assert np.isnan(values(metric, np.full((1, 3, 3), value))).all()


def test_a_single_pixel_has_no_entropy():
    assert np.isnan(values(metrics.Entropy(), np.ones((1, 1, 1)))).all()
    assert values(metrics.Gini(), np.ones((1, 1, 1))) == [0]


@pytest.mark.parametrize("metric", BOTH, ids=repr)
def test_a_value_depends_on_its_own_row_alone(rng, metric):
    maps, order = rng.normal(size=(5, 28, 28, 3)), [4, 1, 0, 3, 2]
    whole = values(metric, maps)
    assert np.array_equal(values(metric, maps[order]), whole[order])
    assert all(values(metric, maps[row : row + 1]) == whole[row] for row in range(5))
