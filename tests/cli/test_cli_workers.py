"""`workers=n`: processes that share the cells of one run."""

import sys

import pytest

from saliency_bench import team
from saliency_bench.team import Attached


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


def test_the_number_of_workers_makes_no_other_run_of_it(command, small):
    first = command(*small)
    again = command(*small, "workers=2")
    assert (again.status, again.out) == (first.status, first.out)


@pytest.mark.skipif(sys.platform == "win32", reason="a process there does not learn of it")
def test_a_helper_ends_with_the_process_that_started_it(monkeypatch):
    parents = [7, 7, 1]
    monkeypatch.setattr(team.os, "getppid", lambda: parents.pop(0))
    attached = Attached(7)
    attached.step("a")
    attached.step("b")
    with pytest.raises(SystemExit):
        attached.step("c")


def test_no_helpers_are_no_processes():
    with team.helpers(None, 0) as futures:
        assert futures == []
