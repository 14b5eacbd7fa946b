"""Whatever happens to a run, the same command goes on with it, and to the same bits."""

import os
import random

import pytest
from helpers import numpy_process

TABLES = ("scores.parquet", "floors.parquet")


def cells(folder):
    """When each cell was written, and which file it is."""
    found = (path.stat() for path in (folder / "cells").glob("[!.]*"))
    return {(stat.st_ino, stat.st_mtime_ns) for stat in found}


def strays(folder):
    return [path for path in folder.rglob(".*") if path.is_file()]


def tables(folder):
    return [(folder / name).read_bytes() for name in TABLES]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    numpy_process.run(folder)
    return folder


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_kills_at_any_moment_lose_nothing(whole, tmp_path, kills):
    """So many kills, of runs with more and more cells."""
    total = len(cells(whole))
    moments = random.Random(0)
    killed = 0
    counts = [1 + number * (total - 1) // kills for number in range(kills)]
    for number, count in enumerate(counts):
        folder = tmp_path / str(number)
        fate = numpy_process.dies_after(count, moments.uniform(0, 0.005))
        process = numpy_process.start(folder, fate=fate)
        process.join()
        killed += process.exitcode != 0
        before = cells(folder)
        assert count <= len(before) <= total
        numpy_process.run(folder)
        assert tables(folder) == tables(whole)
        assert before <= cells(folder)
        assert not strays(folder)
    assert killed > kills // 2


def test_processes_on_one_folder_share_the_cells(whole, tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    processes = [numpy_process.start(tmp_path / "run", log) for _ in range(3)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert tables(tmp_path / "run") == tables(whole)
    saved = numpy_process.saved(log)
    assert len(saved) == len(set(saved)) == len(cells(whole))
    assert not strays(tmp_path)


def test_what_a_killed_process_was_at_is_done_by_its_neighbour(whole, tmp_path):
    for count in range(1, 6):
        folder = tmp_path / str(count)
        one = numpy_process.start(folder, fate=numpy_process.dies_after(count, 0.001))
        other = numpy_process.start(folder)
        other.join()
        one.join()
        assert other.exitcode == 0
        assert tables(folder) == tables(whole)


def test_a_run_may_be_moved_and_its_files_be_of_any_age(whole, tmp_path):
    folder = tmp_path / "Läufe für März" / "a b"
    numpy_process.run(tmp_path / "run")
    folder.parent.mkdir()
    (tmp_path / "run").rename(folder)
    for days in (0, 200 * 365):  # since 1970
        for path in folder.rglob("*"):
            os.utime(path, (days * 86400,) * 2)
        before = cells(folder)
        numpy_process.run(folder)
        assert cells(folder) == before
        assert tables(folder) == tables(whole)
