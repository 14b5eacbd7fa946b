"""What a machine may do to a run: a clock that jumps, no room for scratch files."""

import errno
import itertools
import time
from functools import partial
from pathlib import Path

import pytest

from saliency_bench.engine import references, spill

pytestmark = pytest.mark.usefixtures("without_figures")


def scores(folder):
    return (Path(folder) / "scores.parquet").read_bytes()


def test_a_clock_that_jumps_changes_nothing(command, small, monkeypatch):
    assert command(*small, "run_dir=steady").status == 0
    jumps = itertools.cycle([0.0, 1e9, -1e9, 3e6])
    with monkeypatch.context() as patched:
        for name in ("time", "perf_counter"):
            clock = getattr(time, name)
            patched.setattr(time, name, lambda clock=clock: clock() + next(jumps))
        done = command(*small, "run_dir=jumping")
        again = command(*small, "run_dir=jumping")
    assert (done.status, done.err) == (0, "")
    assert again.status == 0
    assert scores("steady") == scores("jumping")


def test_no_room_for_scratch_files_is_told_and_loses_nothing(command, small, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch")

    with monkeypatch.context() as patched:
        patched.setattr(references, "Shelf", partial(spill.Shelf, room=0))
        patched.setattr(spill.tempfile, "TemporaryFile", full)
        done = command(*small)
    assert (done.status, done.out) == (2, "")
    assert "No space left on device" in done.err
    assert done.err.count("\n") == 1
    assert command(*small).status == 0
    assert command(*small, "run_dir=whole").status == 0
    assert scores("run") == scores("whole")
