"""What happens in the middle of a write, and on a disk without room."""

import errno
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import partial

import pytest
from helpers import disks, numpy_process, numpy_study

from saliency_bench.engine import references, spill
from saliency_bench.storage.store import PARTIAL, Store, atomic, remove_partial_files

STEP = 24
"""Kilobytes by which a disk is made larger until a run fits."""


def cells(folder):
    """What is there, and when it was written; every one of them can be read."""
    found = {path: path.stat().st_mtime_ns for path in (folder / "cells").glob("[!.]*")}
    assert all(Store(folder).columns(path.stem) for path in found)
    return found


def strays(folder):
    return [path for path in folder.rglob(".*") if path.is_file()]


def tables(folder):
    return [(folder / name).read_bytes() for name in ("scores.parquet", "floors.parquet")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed run in a process of its own."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    numpy_process.run(folder)
    return folder


@pytest.fixture
def alone(make_study, tmp_path):
    """The tables of an undisturbed run in this process."""
    numpy_study.run(make_study(), tmp_path / "alone")
    return tables(tmp_path / "alone")


# ---------------------------------------------------------------- killed in the middle of a write


@pytest.mark.parametrize(
    ("moment", "left"), [("torn", 1), ("unnamed", 1), ("named", 0)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("place", ["first", "middle", "scores", "floors"])
def test_a_kill_in_the_middle_of_a_write_leaves_nothing_behind(
    whole, tmp_path, place, moment, left
):
    total = len(cells(whole))
    count = {"first": 0, "middle": total // 2, "scores": total + 1, "floors": total}[place]
    folder = tmp_path / "run"
    process = numpy_process.start(folder, fate=numpy_process.dies_writing(count, moment))
    process.join()
    assert process.exitcode == -signal.SIGKILL
    before = cells(folder)
    assert len(before) == min(total, count + (moment == "named"))
    assert len(strays(folder)) >= left
    numpy_process.run(folder)
    assert before.items() <= cells(folder).items()
    assert tables(folder) == tables(whole)
    assert not strays(folder)


def begun_by(process, birth, machine):
    return f"{PARTIAL}-{process}-{birth}-{machine}-cell.npz-x"


@pytest.fixture
def mine(tmp_path):
    """Process, birth and machine of this process, as they stand in the names of its files."""
    with atomic(tmp_path / "file"):
        found = next(tmp_path.glob(".*"))
    return found.name.removeprefix(PARTIAL + "-").split("-")[:3]


def test_only_what_the_dead_of_this_machine_left_is_removed(tmp_path, mine):
    process, birth, machine = mine
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        dead = other.pid
    kept = [
        begun_by(process, birth, machine),
        begun_by(dead, "0", "0" * 8),
        f"{PARTIAL}-of-a-user",
        f"{PARTIAL}",
        "cell.npz",
    ]
    gone = [begun_by(dead, birth, machine), begun_by(process, f"{birth}1", machine)]
    (tmp_path / "cells").mkdir()
    for name in kept + gone:
        (tmp_path / "cells" / name).write_text("")
    remove_partial_files(tmp_path)
    assert sorted(path.name for path in (tmp_path / "cells").iterdir()) == sorted(kept)


# ---------------------------------------------------------------- no room


@pytest.fixture
def disk(tmp_path):
    """A disk with little room at `tmp_path / "disk"`, mounted anew by calling it."""
    with disks.mounted(tmp_path / "disk", f"size={STEP}k") as mount:
        yield mount


def fits(a_study, folder):
    """Whether a run finds room for all that it writes."""
    try:
        numpy_study.run(a_study, folder)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def test_a_disk_made_larger_bit_by_bit_is_used_each_time_and_loses_nothing(
    make_study, alone, tmp_path, disk
):
    folder, kept = tmp_path / "disk" / "run", [{}]
    size = STEP
    while not fits(make_study(), folder):
        kept.append(cells(folder))
        assert kept[-2].items() <= kept[-1].items()
        assert not strays(folder)
        size += STEP
        disk(f"size={size}k")
    assert kept[-1].items() <= cells(folder).items()
    assert len({len(found) for found in kept}) > 5
    assert tables(folder) == alone


def test_a_disk_that_becomes_read_only_keeps_what_can_be_read(make_study, alone, tmp_path, disk):
    folder = tmp_path / "disk" / "run"
    with pytest.raises(OSError, match="No space left on device"):
        numpy_study.run(make_study(), folder)
    before = cells(folder)
    disk("ro,size=64m")
    with pytest.raises(OSError, match="Read-only file system"):
        numpy_study.run(make_study(), folder)
    assert cells(folder) == before
    disk("rw,size=64m")
    numpy_study.run(make_study(), folder)
    assert before.items() <= cells(folder).items()
    assert tables(folder) == alone


@contextmanager
def files_of_at_most(size):
    """This process writes no larger file."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_limit_on_the_size_of_files_loses_nothing(make_study, alone, tmp_path, share):
    folder = tmp_path / "run"
    largest = max(path.stat().st_size for path in (tmp_path / "alone").rglob("*"))
    with (
        files_of_at_most(int(share * largest)),
        pytest.raises(OSError, match="File too large"),
    ):
        numpy_study.run(make_study(), folder)
    before = cells(folder)
    assert not strays(folder)
    numpy_study.run(make_study(), folder)
    assert before.items() <= cells(folder).items()
    assert tables(folder) == alone


# ---------------------------------------------------------------- scratch files


def test_no_room_for_scratch_files_loses_nothing(make_study, alone, tmp_path, disk, monkeypatch):
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tmp_path / "disk"))
        patched.setattr(references, "Shelf", partial(spill.Shelf, room=0))
        with pytest.raises(OSError, match="No space left on device"):
            numpy_study.run(make_study(), folder)
    assert not list((tmp_path / "disk").iterdir())
    before = cells(folder)
    numpy_study.run(make_study(), folder)
    assert before.items() <= cells(folder).items()
    assert tables(folder) == alone


@pytest.mark.parametrize("place", [0, 7, 20])
def test_a_killed_process_leaves_no_scratch_files(whole, tmp_path, place):
    scratch, folder = tmp_path / "scratch", tmp_path / "run"
    scratch.mkdir()
    fate = numpy_process.dies_writing(place, "unnamed", scratch)
    process = numpy_process.start(folder, fate=fate)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not list(scratch.iterdir())
    numpy_process.run(folder)
    assert tables(folder) == tables(whole)
