"""Images made of others: sizes, places, and which goes with which."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from saliency_bench.checks.composed import (
    Scenes,
    left_half,
    made,
    on_scenes,
    partners,
    resized,
    side_by_side,
)
from saliency_bench.protocols import SettingError

IMAGES = np.random.default_rng(0).random((3, 8, 6, 2)).astype(np.float32)


def test_half_the_size_is_the_mean_of_four_pixels():
    expected = IMAGES.reshape(3, 4, 2, 3, 2, 2).mean(axis=(2, 4))
    assert_allclose(resized(IMAGES, (4, 3)), expected, rtol=1e-6)


@pytest.mark.parametrize("size", [(8, 6), (5, 4), (3, 1), (16, 12)])
def test_any_size_keeps_the_mean(size):
    found = resized(IMAGES, size)
    assert found.shape == (3, *size, 2)
    assert_allclose(found.mean(axis=(1, 2)), IMAGES.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (2, 7, 9, 3), (1, 4, 4, 1)])
def test_two_images_side_by_side_fill_their_halves_and_no_more(shape):
    left, right = np.full(shape, 1.0, np.float32), np.full(shape, 2.0, np.float32)
    found, region = side_by_side(left, right, np.full(shape[-1], 5.0)), left_half(shape)
    assert found.shape == shape
    assert set(np.unique(found[region].round(5))) <= {1.0, 5.0}
    assert set(np.unique(found[~region].round(5))) <= {2.0, 5.0}
    assert (found.round(5) == 1).any()
    assert (found.round(5) == 2).any()


def test_the_partner_is_the_next_image_of_the_block():
    assert partners(3).tolist() == [1, 2, 0]
    assert partners(34).tolist() == [*range(1, 32), 0, 33, 32]
    # A shard holds whole blocks, so that its place does not matter.
    assert_array_equal(partners(64)[32:] - 32, partners(32))


def test_an_object_lies_where_it_was_put():
    scenes, objects = np.zeros((2, 8, 8, 1), np.float32), np.ones((2, 8, 8, 1), np.float32)
    images, masks = on_scenes(scenes, objects, np.array([[0.0, 0.0], [0.999, 0.5]]), 0.5)
    assert_array_equal(images[..., 0] == 1, masks)
    corners = [np.argwhere(mask).min(axis=0).tolist() for mask in masks]
    assert corners == [[0, 0], [4, 2]]
    assert masks.sum(axis=(1, 2)).tolist() == [16, 16]
    assert scenes.sum() == 0


def test_images_are_made_when_they_are_read_in_any_order():
    asked = []

    def make(rows):
        asked.append(rows.tolist())
        return IMAGES[rows]

    rows = made(3, IMAGES.shape[1:], make)
    assert asked == []
    assert_array_equal(rows[[2, 0]], IMAGES[[2, 0]])
    assert_array_equal(rows[1], IMAGES[1])
    assert asked == [[2, 0], [1]]
    assert_array_equal(np.asarray(rows), IMAGES)


def scenes_of(classes=3, shape=(8, 8, 1)):
    """Scenes that are as bright as the number of their class."""
    labels = np.arange(12) % 4
    pixels = np.ones((12, 5, 5, 3), np.float32) * labels[:, None, None, None]
    return Scenes.of(pixels, labels, shape, classes)


@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 9, 3), (5, 5, 2)])
def test_scenes_take_the_shape_of_the_images(shape):
    scenes = scenes_of(shape=shape)
    assert scenes.pixels.shape == (9, *shape)
    assert_allclose(scenes.pixels.mean(axis=(1, 2, 3)), scenes.labels, rtol=1e-5)


def test_scenes_are_told_apart_by_their_content():
    assert repr(scenes_of()) == repr(scenes_of())
    assert repr(scenes_of(shape=(6, 6, 1))) != repr(scenes_of())


def test_a_class_without_a_scene_is_refused():
    with pytest.raises(SettingError, match="scenes must hold some of each class; none is of 4"):
        scenes_of(classes=5)


@pytest.mark.parametrize(("share", "kinds"), [(0.3, {0}), (0.67, {0, 1}), (1.0, {0, 1, 2})])
def test_an_object_lies_on_as_many_kinds_of_scenes_as_the_share_says(share, kinds):
    objects, labels = np.zeros((10, 8, 8, 1), np.float32), np.arange(10) % 3
    found = scenes_of().under(objects, labels, 60, share, 0.5)
    assert set((found.scenes - found.objects) % 3) == kinds
    images = np.asarray(found.images)
    assert_allclose(images.max(axis=(1, 2, 3)), found.scenes, rtol=1e-5)
    assert_array_equal(found.images[[7]], images[[7]])
