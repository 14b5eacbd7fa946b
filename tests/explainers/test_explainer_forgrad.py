"""ForGrad: what is left of waves whose frequency is known."""

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench.explainers.forgrad import ForGrad

pytestmark = pytest.mark.usefixtures("seeded")


class Echo(ex.Method):
    """A base whose maps are the images."""

    def bind(self, model):
        return lambda images, targets, *, keys=None: images


def filtered(images, sigma):
    return ForGrad(Echo(), sigma=sigma).bind(None)(images, np.zeros(len(images), int))


def wave(down, across, shape=(16, 12)):
    rows, columns = np.indices(shape)
    turns = down * rows / shape[0] + across * columns / shape[1]
    return np.cos(2 * np.pi * turns + 0.3).astype(np.float32)[None, ..., None]


@pytest.mark.parametrize(
    ("down", "across", "kept"),
    [(0, 0, 1), (3, 3, 1), (-3, 2, 1), (3, -3, 1), (4, 0, 0), (0, 4, 0), (4, 3, 0), (8, 6, 0)],
)
def test_waves_up_to_sigma_are_kept_and_others_are_gone(down, across, kept):
    one = wave(down, across)
    np.testing.assert_allclose(filtered(one, 3), kept * one, atol=1e-6)


def test_a_filter_is_the_sum_over_the_frequencies_it_keeps():
    """The discrete Fourier transform written out, of sides even and odd."""
    maps = np.random.default_rng(0).normal(size=(2, 9, 8, 2)).astype(np.float32)
    expected = np.zeros(maps.shape, complex)
    rows, columns = np.indices((9, 8))
    for down in range(-2, 3):
        for across in range(-2, 3):
            turn = np.exp(2j * np.pi * (down * rows / 9 + across * columns / 8))[None, ..., None]
            expected += (maps * turn.conj()).mean(axis=(1, 2), keepdims=True) * turn
    np.testing.assert_allclose(expected.imag, 0, atol=1e-6)
    np.testing.assert_allclose(filtered(maps, 2), expected.real, rtol=1e-4, atol=1e-6)


def test_the_mean_stays_and_twice_is_once(images):
    once = filtered(images, 2)
    np.testing.assert_allclose(once.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(filtered(once, 2), once, atol=1e-6)
    flat = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    np.testing.assert_allclose(filtered(images, 0), flat, atol=1e-6)


def test_a_large_square_keeps_the_map(images):
    np.testing.assert_allclose(filtered(images, 6), images, atol=1e-6)
    np.testing.assert_allclose(filtered(images, 1000), images, atol=1e-6)


@pytest.mark.parametrize(("side", "sigma"), [(8, 1), (28, 2), (32, 2), (224, 15)])
def test_the_usual_square_grows_with_the_map(side, sigma):
    maps = np.random.default_rng(0).normal(size=(1, side, side, 1)).astype(np.float32)
    np.testing.assert_array_equal(filtered(maps, None), filtered(maps, sigma))


def test_small_gradients_are_filtered_too(images):
    np.testing.assert_allclose(filtered(images * 1e-30, 2) * 1e30, filtered(images, 2), atol=1e-5)


def test_forgrad_of_a_network_is_the_filter_of_its_gradient(functional, images, targets):
    found = ForGrad(ex.Gradient(), sigma=3)(functional, images, targets)
    plain = ex.Gradient()(functional, images, targets)
    spectrum = np.fft.fftshift(np.fft.fft2(plain, axes=(1, 2)), axes=(1, 2))
    keep = np.zeros((12, 12))
    keep[3:10, 3:10] = 1
    low = np.fft.ifft2(np.fft.ifftshift(spectrum * keep[..., None], axes=(1, 2)), axes=(1, 2)).real
    np.testing.assert_allclose(found, low, rtol=1e-4, atol=1e-4 * np.abs(low).max())
    assert found.dtype == np.float32


def test_forgrad_says_of_itself_what_its_base_says():
    wrapped = ForGrad(ex.SmoothGrad(ex.IntegratedGradients()))
    assert (wrapped.signed, wrapped.stochastic, wrapped.multiplies_input) == (True, True, True)
    assert "linearity" in wrapped.axioms
    assert "completeness" not in wrapped.axioms


def test_a_negative_square_is_refused():
    with pytest.raises(ValueError, match="sigma must be at least 0 or None; got -1"):
        ForGrad(ex.Gradient(), sigma=-1)
