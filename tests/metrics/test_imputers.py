"""What stands in the place of hidden pixels."""

import numpy as np
import pytest

from saliency_bench.metrics import (
    Blur,
    Deletion,
    Fill,
    Histogram,
    Mean,
    Neighbours,
    OtherImages,
    VersusInverse,
)

IMAGE = np.random.default_rng(11).uniform(-2, 3, (9, 11, 3)).astype(np.float32)
MASKS = np.random.default_rng(12).random((4, 9, 11)) < 0.5
POOL = np.random.default_rng(13).uniform(-2, 3, (6, 9, 11, 3)).astype(np.float32)
ALL = [Fill(0.25), Mean(), Blur(), Histogram(), Neighbours(), OtherImages.of_images(POOL)]


def copies(imputer, seed=0, masks=MASKS):
    return imputer.of(IMAGE, np.random.default_rng(seed))(masks)


@pytest.mark.parametrize("imputer", ALL, ids=str)
def test_only_hidden_pixels_change(imputer):
    made = copies(imputer)
    assert made.shape == (4, 9, 11, 3)
    assert made.dtype == np.float32
    for copy, mask in zip(made, MASKS, strict=True):
        np.testing.assert_array_equal(copy[~mask], IMAGE[~mask])
        assert (copy[mask] != IMAGE[mask]).any()
    np.testing.assert_array_equal(copies(imputer, masks=MASKS[2:3])[0], made[2])


@pytest.mark.parametrize("imputer", ALL, ids=str)
def test_the_draw_matters_if_it_says_so(imputer):
    np.testing.assert_array_equal(copies(imputer), copies(imputer))
    assert (copies(imputer) != copies(imputer, seed=1)).any() == imputer.random


def test_fill_and_mean_are_what_they_say():
    assert (copies(Fill(0.25))[MASKS] == 0.25).all()
    expected = np.broadcast_to(IMAGE.astype(np.float64).mean((0, 1)), IMAGE.shape)
    np.testing.assert_allclose(copies(Mean())[0][MASKS[0]], expected[MASKS[0]], rtol=1e-6)


def test_a_blur_is_a_weighted_mean_of_a_window():
    image = np.zeros((15, 15, 1), np.float32)
    image[7, 7] = 1
    (copy,) = Blur(sigma=2.0, radius=3).of(image, np.random.default_rng(0))(
        np.ones((1, 15, 15), bool)
    )
    line = np.exp(-0.5 * (np.arange(-3, 4) / 2) ** 2)
    line /= line.sum()
    np.testing.assert_allclose(copy[4:11, 4:11, 0], np.outer(line, line), atol=1e-6)
    assert copy.sum() == pytest.approx(1, abs=1e-5)


def test_a_histogram_draws_whole_pixels():
    known = {tuple(pixel) for pixel in IMAGE.reshape(-1, 3)}
    assert {tuple(pixel) for pixel in copies(Histogram()).reshape(-1, 3)} <= known


def test_noise_is_added_to_interpolated_pixels_alone():
    quiet, loud = copies(Neighbours(0.0)), copies(Neighbours(0.5))
    difference = (loud - quiet)[MASKS]
    assert difference.std() == pytest.approx(0.5, rel=0.15)
    np.testing.assert_array_equal(loud[~MASKS], quiet[~MASKS])


def test_hidden_pixels_are_those_of_one_other_image_at_the_same_place():
    pool = np.concatenate([IMAGE[None], POOL])
    taken = set()
    for seed in range(60):
        made = copies(OtherImages.of_images(pool), seed)
        same = [
            i for i, other in enumerate(pool) if (made[MASKS] == other[None][[0] * 4][MASKS]).all()
        ]
        assert len(same) == 1
        taken |= set(same)
    assert taken == set(range(1, 7)), "every other image, and never the image itself"


def test_the_images_are_part_of_the_settings():
    one, same, other = (OtherImages.of_images(part) for part in (POOL, POOL.copy(), POOL[:5]))
    assert repr(one) == repr(same) != repr(other)
    assert one == same != other
    assert repr(one).startswith("OtherImages(source='6 images, ")


def test_a_metric_hands_images_on_at_any_depth():
    metric = VersusInverse(Deletion(OtherImages()))
    assert metric.lacks_images
    full = metric.among(POOL, "images")
    assert not full.lacks_images
    assert full.base.imputer == OtherImages.of_images(POOL)
    assert full.among(POOL[:3], "others") is full, "what has images keeps them"
    plain = VersusInverse(Deletion())
    assert not plain.lacks_images
    assert plain.among(POOL, "images") is plain


@pytest.mark.parametrize(
    ("imputer", "message"),
    [
        (lambda: OtherImages(), r"OtherImages needs images to draw from: .*of_images\(images\)"),
        (lambda: OtherImages.of_images(POOL[:1]), "images to draw from must be at least 2; got 1"),
        (lambda: OtherImages.of_images(POOL[:, 1:]), r"images to draw from must be \(9, 11, 3\).*"),
        (lambda: OtherImages.of_images(np.stack([IMAGE] * 3)), "images .* must not all be the .*"),
    ],
)
def test_images_that_cannot_be_drawn_from_are_refused(imputer, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        copies(imputer())
