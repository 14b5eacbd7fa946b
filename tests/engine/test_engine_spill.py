import os
import tempfile

import numpy as np
import pytest

from saliency_bench.engine.spill import Shelf
from saliency_bench.similarities import SSIM

MAPS = np.random.default_rng(0).standard_normal((4, 16, 16, 1)).astype(np.float32)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """The files that were made, which have no name in this folder."""
    made, make = [], tempfile.TemporaryFile

    def making(*args, **settings):
        made.append(make(*args, **settings))
        return made[-1]

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", making)
    yield made
    assert not list(tmp_path.iterdir())
    assert all(file.closed for file in made)


def filed(scratch):
    """Bytes in files."""
    return sum(os.fstat(file.fileno()).st_size for file in scratch)


@pytest.mark.parametrize(("room", "count"), [(0, 2), (MAPS.nbytes, 1), (2 * MAPS.nbytes, 0)])
def test_what_does_not_fit_into_memory_lies_in_a_file_and_comes_back_bit_for_bit(
    scratch, room, count
):
    shelf = Shelf(room)
    shelf["a"], shelf["b"] = MAPS, -MAPS
    assert filed(scratch) == count * MAPS.nbytes
    np.testing.assert_array_equal(shelf["a"], MAPS)
    np.testing.assert_array_equal(shelf["b"], -MAPS)
    shelf.close()


def test_prepared_maps_go_through_a_file(scratch):
    shelf, ready = Shelf(0), SSIM().prepare(MAPS)
    shelf["ready"] = ready
    found = shelf["ready"]
    for name in ("defined", "values", "mean", "variance"):
        np.testing.assert_array_equal(getattr(found, name), getattr(ready, name))
    assert len(scratch) == 1
    shelf.close()


def test_a_value_takes_the_place_of_the_one_before_and_its_room(scratch):
    shelf = Shelf(MAPS.nbytes)
    for value in range(5):
        shelf["a"] = MAPS + value
    assert not scratch
    for value in range(5):
        shelf["b"] = MAPS + value
    assert filed(scratch) == MAPS.nbytes
    np.testing.assert_array_equal(shelf.pop("b"), MAPS + 4)
    shelf["c"] = -MAPS
    assert filed(scratch) == MAPS.nbytes
    np.testing.assert_array_equal(shelf["c"], -MAPS)
    assert shelf.pop("b") is None
    shelf.close()


def test_values_of_many_sizes_keep_apart_whatever_is_forgotten(scratch):
    shelf, random, kept = Shelf(1000), np.random.default_rng(0), {}
    for _ in range(500):
        key = int(random.integers(20))
        if random.random() < 0.3:
            np.testing.assert_array_equal(shelf.pop(key), kept.pop(key, None))
        else:
            shelf[key] = kept[key] = random.standard_normal(random.integers(1, 100))
        for other, value in kept.items():
            np.testing.assert_array_equal(shelf[other], value)
    shelf.close()


def test_what_cannot_be_pickled_stays_in_memory(scratch):
    class Local:
        maps = MAPS

    shelf, local = Shelf(0), Local()
    shelf["local"] = local
    assert shelf["local"] is local
    assert not scratch
    shelf.close()


def test_an_unknown_key_is_an_error():
    with pytest.raises(KeyError):
        Shelf()["nothing"]
