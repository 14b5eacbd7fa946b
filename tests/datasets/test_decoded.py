"""Photos that are kept in a scratch file once they were decoded."""

import gc
import tempfile

import numpy as np
import pytest
from helpers import disks

from saliency_bench.datasets.decoded import DecodedImages

SHAPE = (100, 20, 20, 3)
"""Photos of 1200 bytes: more than a disk of 64 kilobytes has room for."""


def photo(place):
    return np.full(SHAPE[1:], place, np.uint8)


def test_each_photo_is_decoded_once():
    asked = []

    def decode(place):
        asked.append(place)
        return photo(place)

    photos = DecodedImages(SHAPE, decode)
    for rows in ([3, 1], slice(0, 5), [1]):
        found = np.arange(len(photos))[rows]
        expected = np.stack([photo(p) for p in found]) / np.float32(255)
        np.testing.assert_array_equal(photos[rows], expected)
    assert sorted(asked) == [0, 1, 2, 3, 4]


def test_photos_of_eight_and_of_sixteen_bits_lie_side_by_side():
    def decode(place):
        return photo(place) if place % 2 else photo(place).astype(np.uint16) * 257 + 5

    photos = DecodedImages(SHAPE, decode)
    first, again = photos[[7, 2, 9, 4]], photos[[4, 9, 2, 7]]
    np.testing.assert_array_equal(first, again[::-1])
    expected = [7 / 255, (2 * 257 + 5) / 65535, 9 / 255, (4 * 257 + 5) / 65535]
    np.testing.assert_allclose(first[:, 3, 4, 1], expected, rtol=1e-6)
    assert first.dtype == np.float32


@pytest.mark.parametrize("count", range(53, 57))
def test_a_full_disk_is_told_by_the_photo_that_does_not_fit_and_never_again(
    tmp_path, monkeypatch, count
):
    with disks.mounted(tmp_path / "disk", "size=64k"):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk"))
        photos = DecodedImages(SHAPE, photo)
        fits = min(count, 2**16 // photo(0).nbytes)
        if count > fits:
            with pytest.raises(OSError, match="No space left on device"):
                photos[:count]
        values = photos[:fits][:, 0, 0, 0] * 255
        np.testing.assert_allclose(values, range(fits), atol=1e-4)
        del photos
        gc.collect()  # closing says nothing more, or this test fails of it
