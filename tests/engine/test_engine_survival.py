"""Whatever happens to a run, the same command goes on with it, and to the same bits."""

import os
import random
import time

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
    """An undisturbed run, and about how many seconds one takes."""
    folder = tmp_path_factory.mktemp("whole")
    numpy_process.run(folder / "first")
    process = numpy_process.start(folder / "whole")
    begun = time.perf_counter()
    process.join()
    assert process.exitcode == 0
    return folder / "whole", time.perf_counter() - begun


@pytest.mark.parametrize(
    ("count", "stages"), [(10, 3), pytest.param(50, 10, marks=pytest.mark.slow)]
)
def test_kills_at_any_moment_lose_nothing(whole, tmp_path, count, stages):
    """So many kills, which find the run with more than so many different numbers of cells."""
    undisturbed, seconds = whole
    moments, kills, kept = random.Random(0), 0, []
    while kills < count:
        folder = tmp_path / str(len(kept))
        process = numpy_process.start(folder)
        time.sleep(moments.uniform(0, seconds))
        process.kill()
        process.join()
        kills += process.exitcode != 0
        before = cells(folder)
        numpy_process.run(folder)
        assert tables(folder) == tables(undisturbed)
        assert before <= cells(folder)
        assert not strays(folder)
        kept.append(len(before))
    total = len(cells(undisturbed))
    assert len({number for number in kept if 0 < number < total}) > stages, kept


def test_processes_on_one_folder_share_the_cells(whole, tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    processes = [numpy_process.start(tmp_path / "run", log) for _ in range(3)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert tables(tmp_path / "run") == tables(whole[0])
    saved = numpy_process.saved(log)
    assert len(saved) == len(set(saved)) == len(cells(whole[0]))
    assert not strays(tmp_path)


def test_what_a_killed_process_was_at_is_done_by_its_neighbour(whole, tmp_path):
    undisturbed, seconds = whole
    moments = random.Random(1)
    for place in range(5):
        folder = tmp_path / str(place)
        one, other = (numpy_process.start(folder) for _ in range(2))
        time.sleep(moments.uniform(0.2, 0.8) * seconds)
        one.kill()
        other.join()
        one.join()
        assert other.exitcode == 0
        assert tables(folder) == tables(undisturbed)


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
        assert tables(folder) == tables(whole[0])
