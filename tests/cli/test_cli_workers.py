"""`workers=n`: processes that share the cells of one run; `cores=n`: threads that do."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from saliency_bench.cli import workers

pytestmark = pytest.mark.usefixtures("without_figures")


def test_two_workers_give_the_bits_of_one(command, small, tmp_path):
    assert command(*small, "run_dir=one").status == 0
    together = command(*small, "run_dir=two", "workers=2")
    assert (together.status, together.err) == (0, "")
    tables = [(tmp_path / name / "scores.parquet").read_bytes() for name in ("one", "two")]
    assert tables[0] == tables[1]
    cells = [
        sorted(p.name for p in (tmp_path / name / "cells").iterdir()) for name in ("one", "two")
    ]
    assert cells[0] == cells[1]


def test_three_cores_give_the_bits_of_one(command, small, tmp_path):
    one = command(*small, "run_dir=one", "cores=1")
    three = command(*small, "run_dir=three", "cores=3")
    assert (three.status, three.err) == (one.status, "") == (0, "")
    tables = [(tmp_path / name / "scores.parquet").read_bytes() for name in ("one", "three")]
    assert tables[0] == tables[1]
    again = command(*small, "run_dir=one", "cores=2")
    assert (again.status, again.out) == (one.status, one.out)


def test_the_number_of_workers_makes_no_other_run_of_it(command, small):
    first = command(*small)
    again = command(*small, "workers=2")
    assert (again.status, again.out) == (first.status, first.out)


PARENT = """
import os, sys, time
from saliency_bench.cli import workers

def wait(work, place, arguments):
    print(os.getpid(), flush=True)
    time.sleep(place * 100)

workers._help = wait
with workers.helpers(None, 2) as futures:
    time.sleep(100)
"""


def is_there(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nothing tells what runs")
def test_helpers_end_with_the_process_that_started_them(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    # Not a pipe: it would be closed only with the last helper.
    with (tmp_path / "told").open("w") as told:
        parent = subprocess.Popen([sys.executable, "parent.py"], cwd=tmp_path, stdout=told)
    while len(helpers := (tmp_path / "told").read_text().split()) < 2:
        assert parent.poll() is None
        time.sleep(0.05)
    assert all(map(is_there, helpers))
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while any(map(is_there, helpers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_there, helpers))


def test_no_helpers_are_no_processes():
    with workers.helpers(None, 0) as futures:
        assert futures == []
