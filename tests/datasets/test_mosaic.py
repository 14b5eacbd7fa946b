from dataclasses import dataclass, replace

import numpy as np
import pytest

from saliency_bench.datasets import Digits, Mosaic, Textures
from saliency_bench.protocols import Dataset, Preprocessing


@dataclass(frozen=True)
class Numbered:
    """Images of 2x3 pixels that show their own number, in channel 0, and their class, in 1."""

    labels: tuple[int, ...] | None = tuple(range(10)) * 4
    name: str = "numbered"

    def load(self, *, train=True):
        labels = None if self.labels is None else np.array(self.labels)
        count = 5 if labels is None else len(labels)
        pixels = np.zeros((count, 2, 3, 2), np.float32)
        pixels[..., 0] = np.arange(count)[:, None, None]
        pixels[..., 1] = 0 if labels is None else labels[:, None, None]
        return Dataset(
            self.name, pixels, labels, pixels[:3] if train else None,
            None if labels is None or not train else labels[:3], tuple("abcdefghij"),
            Preprocessing((0.5,), (2.0,)),
        )  # fmt: skip

    def fingerprint(self):
        return repr(self)


def cells(pictures, side):
    """`[N, side, side, 2, 3, C]`: the images of each picture."""
    count, _, _, channels = pictures.shape
    return pictures.reshape(count, side, 2, side, 3, channels).swapaxes(2, 3)


def loaded(**settings):
    dataset = Mosaic(Numbered(), **settings).load()
    side = settings.get("cells", 2)
    found = cells(np.asarray(dataset.pixels), side)
    assert (found == found[:, :, :, :1, :1]).all(), "every cell is one image"
    inside = cells(dataset.regions[..., None], side)
    assert (inside == inside[:, :, :, :1, :1]).all(), "every mask is made of cells"
    numbers, labels = found[..., 0, 0, 0], found[..., 0, 0, 1]
    return (
        dataset,
        numbers.reshape(40, -1),
        labels.reshape(40, -1),
        inside[..., 0, 0, 0].reshape(40, -1),
    )


@pytest.mark.parametrize("side", [2, 3])
def test_a_picture_shows_images_of_distinct_classes_and_its_mask_is_its_own_cell(side):
    dataset, numbers, labels, inside = loaded(cells=side)
    assert dataset.pixels.shape == (40, 2 * side, 3 * side, 2)
    assert all(len(set(row)) == side**2 for row in labels.tolist())
    assert (inside.sum(axis=1) == 1).all()
    assert numbers[inside].tolist() == list(range(40)), "every image is explained once, in order"
    assert labels[inside].tolist() == dataset.labels.tolist()


def test_focus_shows_two_images_of_the_class_and_two_of_others():
    dataset, numbers, labels, inside = loaded(focus=True)
    assert all(len(set(row)) == 4 for row in numbers.tolist())
    assert (inside.sum(axis=1) == 2).all()
    assert ((labels == dataset.labels[:, None]) == inside).all()


@pytest.mark.parametrize("settings", [{}, {"cells": 3}, {"focus": True}])
def test_places_are_random_and_all_occur(settings):
    _, _, _, inside = loaded(**settings)
    assert (inside.sum(axis=0) > 0).all()


def test_the_seed_decides_places_and_neighbours():
    first, again, other = (np.asarray(loaded(seed=seed)[0].pixels) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=(1, 2, 3)).mean() > 0.9


def test_a_picture_does_not_depend_on_how_many_are_made():
    dataset = loaded()[0]
    whole, few = np.asarray(dataset.pixels), dataset.first(7)
    np.testing.assert_array_equal(few.pixels, whole[:7])
    np.testing.assert_array_equal(few.regions, dataset.regions[:7])
    np.testing.assert_array_equal(dataset.pixels[5], whole[5])
    np.testing.assert_array_equal(dataset.pixels[[9, 2]], whole[[9, 2]])
    np.testing.assert_array_equal(few.rows[2:4], Preprocessing((0.5,), (2.0,))(whole[2:4]))


def test_the_network_learns_single_images():
    dataset = Mosaic(Numbered()).load()
    assert dataset.train_pixels is None
    assert dataset.single.train_pixels.shape == (3, 2, 3, 2)
    assert dataset.single.pixels.shape == (40, 2, 3, 2)
    assert Mosaic(Numbered()).load(train=False).single.train_pixels is None
    assert dataset.name == "mosaics of numbered"
    assert dataset.classes == tuple("abcdefghij")


@pytest.mark.parametrize(
    ("base", "settings", "said"),
    [
        (Numbered(None), {}, "needs labelled images; numbered has no labels"),
        (Numbered((0, 1, 2) * 9), {}, "cells=2 needs images of 4 classes; numbered has 3"),
        (Numbered(tuple(range(8)) * 2), {"cells": 3}, "needs images of 9 classes; numbered has 8"),
        (Numbered((0, 0, 0, 1)), {"focus": True}, "4 images of 2 classes, 1 of the rarest"),
        (Numbered((0, 0, 0)), {"focus": True}, "3 images of 1 classes"),
    ],
)
def test_too_few_classes_or_images_are_refused(base, settings, said):
    with pytest.raises(ValueError, match=said):
        Mosaic(base, **settings).load()


def test_focus_needs_no_more_than_two_of_each_of_two_classes():
    dataset = Mosaic(Numbered((0, 0, 1, 1)), focus=True).load()
    assert sorted(np.unique(np.asarray(dataset.pixels)[..., 0]).tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cells": 1}, "cells must be at least 2, got 1"),
        ({"cells": 3, "focus": True}, "cells must be 2 with focus, got 3"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"base": {}}, "base must be a data set; got {}"),
    ],
)
def test_settings_that_make_no_picture_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Mosaic(**{"base": Numbered(), **settings})


def test_a_fingerprint_covers_every_setting_and_the_data_set():
    own = Mosaic(Numbered())
    others = [
        replace(own, cells=3), replace(own, focus=True), replace(own, seed=1),
        replace(own, base=Numbered((1, 2, 3))),
    ]  # fmt: skip
    assert len({one.fingerprint() for one in (own, *others)}) == 5
    assert own.fingerprint() == Mosaic(Numbered()).fingerprint()


def test_grey_digits_and_colour_crops_of_224_pixels():
    digits = Mosaic(Digits()).load(train=False)
    assert digits.pixels.shape == (360, 56, 56, 1)
    crops = Mosaic(Textures(side=112, train=1, test=2), focus=True).load(train=False).first(3)
    assert crops.images.shape == (3, 224, 224, 3)
    assert crops.regions.dtype == bool
    assert crops.regions.mean(axis=(1, 2)).tolist() == [0.5] * 3
