import tempfile
from pathlib import Path

import numpy as np
import pytest

from saliency_bench.shelf import Shelf
from saliency_bench.similarities import SSIM

MAPS = np.random.default_rng(0).standard_normal((4, 16, 16, 1)).astype(np.float32)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("room", "filed"), [(0, 2), (MAPS.nbytes, 1), (2 * MAPS.nbytes, 0)])
def test_what_does_not_fit_into_memory_lies_in_files_and_comes_back_bit_for_bit(
    scratch, room, filed
):
    shelf = Shelf(room)
    shelf["a"], shelf["b"] = MAPS, -MAPS
    assert len(files(scratch)) == filed
    np.testing.assert_array_equal(shelf["a"], MAPS)
    np.testing.assert_array_equal(shelf["b"], -MAPS)
    shelf.close()
    assert not files(scratch)


def test_prepared_maps_go_through_a_file(scratch):
    shelf, ready = Shelf(0), SSIM().prepare(MAPS)
    shelf["ready"] = ready
    found = shelf["ready"]
    for name in ("defined", "values", "mean", "variance"):
        np.testing.assert_array_equal(getattr(found, name), getattr(ready, name))
    assert len(files(scratch)) == 1
    shelf.close()


def test_a_value_takes_the_place_of_the_one_before_and_its_room(scratch):
    shelf = Shelf(MAPS.nbytes)
    for value in range(5):
        shelf["a"] = MAPS + value
    assert not files(scratch)
    shelf["b"] = MAPS
    shelf["b"] = MAPS + 1
    assert len(files(scratch)) == 1
    np.testing.assert_array_equal(shelf.pop("b"), MAPS + 1)
    assert not files(scratch)
    assert shelf.pop("b") is None
    shelf.close()


def test_what_cannot_be_pickled_stays_in_memory(scratch):
    class Local:
        maps = MAPS

    shelf, local = Shelf(0), Local()
    shelf["local"] = local
    assert shelf["local"] is local
    assert not files(scratch)
    shelf.close()


def test_an_unknown_key_is_an_error():
    with pytest.raises(KeyError):
        Shelf()["nothing"]
