import errno
import os
import threading

import numpy as np
import pytest

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.storage.fingerprint import content_key
from saliency_bench.storage.store import Store, read_json, write_atomic, write_json

CELL = {"score": np.arange(5.0), "why": np.array("too small"), "code": np.array([1, 2], np.int8)}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def path_of(store, key="k"):
    return store.folder / "cells" / f"{key}.npz"


def test_a_cell_comes_back_as_it_was(store):
    store.save_cell("k", CELL)
    assert store.columns("k") == CELL.keys()
    for name, array in (store.cell("k") or {}).items():
        np.testing.assert_array_equal(array, CELL[name])
        assert array.dtype == CELL[name].dtype
    assert files(store.folder) == ["k.npz"]


def test_a_cell_is_an_npz_file_that_numpy_reads(store):
    store.save_cell("k", CELL)
    with np.load(path_of(store), allow_pickle=False) as file:
        np.testing.assert_array_equal(file["score"], CELL["score"])


def test_a_cell_that_is_not_there(store):
    assert store.cell("k") is None
    assert store.columns("k") is None
    assert not store.damaged("k")


def test_saving_again_adds_columns_and_keeps_those_that_are_there(store):
    store.save_cell("k", CELL)
    store.save_cell("k", {"score": np.zeros(5), "new": np.ones(5)})
    cell = store.cell("k") or {}
    assert cell.keys() == {*CELL, "new"}
    np.testing.assert_array_equal(cell["score"], CELL["score"])


def test_pickles_are_neither_written_nor_read(store):
    with pytest.raises(ValueError, match="pickle"):
        store.save_cell("k", {"thing": np.array([{}], dtype=object)})
    assert files(store.folder) == []


def damages(content):
    yield b""
    yield content[:20]
    yield content[: len(content) // 2]
    yield content[:-1]
    yield content + b"x"
    for place in range(0, len(content), 7):
        yield content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


def test_every_damage_is_noticed_and_mended(store):
    store.save_cell("k", CELL)
    content = path_of(store).read_bytes()
    for damaged in damages(content):
        path_of(store).write_bytes(damaged)
        assert store.damaged("k")
        assert store.columns("k") is None
        assert store.cell("k") is None
    store.save_cell("k", CELL)
    assert path_of(store).read_bytes() == content


def test_a_cell_is_believed_only_under_its_own_key(store):
    store.save_cell("k", CELL)
    store.save_cell("other", {"score": np.zeros(5)})
    path_of(store).write_bytes(path_of(store, "other").read_bytes())
    assert store.cell("k") is None
    assert store.columns("k") is None
    assert store.damaged("k")
    assert not store.damaged("other")
    store.save_cell("k", CELL)
    np.testing.assert_array_equal((store.cell("k") or {})["score"], CELL["score"])


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_failed_write_passes_on_its_error_and_leaves_what_was_there(store, monkeypatch, broken):
    store.save_cell("k", CELL)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, broken, full)
        with pytest.raises(OSError, match="No space left"):
            store.save_cell("k", {"score": np.zeros(5)})
        with pytest.raises(OSError, match="No space left"):
            store.save_cell("other", CELL)
    np.testing.assert_array_equal((store.cell("k") or {})["score"], CELL["score"])
    assert files(store.folder) == ["k.npz"]


def test_a_folder_that_cannot_be_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    assert store.cell("k") is None
    with pytest.raises(OSError, match="file"):
        store.save_cell("k", CELL)


def test_two_writers_do_not_corrupt(store):
    cells = [{"n": np.full(2000, n), "again": np.full(2000, n)} for n in range(2)]

    def write(cell):
        for _ in range(20):
            Store(store.folder).save_cell("k", cell)

    writers = [threading.Thread(target=write, args=(cell,)) for cell in cells]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if (cell := store.cell("k")) is not None:
            np.testing.assert_array_equal(cell["n"], cell["again"])
        assert not store.damaged("k")
    assert files(store.folder) == ["k.npz"]


def test_json_carries_its_schema_version(tmp_path):
    path = tmp_path / "a" / "plan.json"
    assert read_json(path) is None
    write_json(path, {"cells": [1, 2]})
    assert read_json(path) == {"schema_version": SCHEMA_VERSION, "cells": [1, 2]}


@pytest.mark.parametrize("content", ["{", "[]", '{"schema_version": 99}', "{}"])
def test_json_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(ValueError, match="must h"):
        read_json(tmp_path / "f.json")


def test_written_files_can_be_read_by_others(tmp_path):
    write_atomic(tmp_path / "f", b"x")
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o644


def test_keys_do_not_depend_on_the_order_of_what_they_name():
    assert content_key({"a": 1, "b": [2]}) == content_key({"b": [2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": "1"})
