"""Damaged and contradictory run folders: `report` and `compare` refuse them in one line."""

from __future__ import annotations

import re
import shutil
from collections import Counter

import pytest
from helpers import spoilt_runs
from helpers.runs import saved

from saliency_bench.compare import command as compare
from saliency_bench.report import command as report

UNTOLD = re.compile(r"\b\w+(Error|Exception|Warning)\b: ")
"""How the message of an error begins that nobody put into words."""

GROUPS = {
    name: list(getattr(spoilt_runs, name)())
    for name in ("contents", "facts", "columns", "examples", "contradictions")
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return saved(spoilt_runs.run(), tmp_path_factory.mktemp("good"))


COMMANDS = {
    "report": lambda good, spoilt: report.main([spoilt, "--out", f"{spoilt}-report"]),
    "compare, run": lambda good, spoilt: compare.main([good, spoilt]),
    "compare, baseline": lambda good, spoilt: compare.main([spoilt, good]),
}


def fault(status, out, err, *, is_report):
    """What is wrong with how a command ended; empty if nothing is."""
    if status == 2:
        about_it = "spoilt" in err or "baseline and run must" in err
        told = err.startswith("saliency_bench.") and not UNTOLD.search(err)
        one = err.count("\n") == 1 and len(err) < 300 and not out
        return "" if about_it and told and one else "not told in one line that names the run"
    if err:
        return "something is said beside the result"
    end = out.splitlines()[-1]
    if is_report:
        invalid = "NOT valid" in out or "guard failed" in out
        return "" if (status == 1) == invalid else "the status is not that of the table"
    right = end.startswith("REGRESSED: " if status == 1 else "SAME (")
    return "" if right else "the status is not that of the comparison"


def test_there_are_a_thousand_and_each_has_a_name():
    names = [(case.file, case.name) for cases in GROUPS.values() for case in cases]
    assert len(set(names)) == len(names) >= 1000


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 23], ids=["all", "some"])
def test_spoilt_runs_are_read_as_they_are_or_refused_in_one_line(
    good, tmp_path, capsys, without_figures, group, step
):
    faults, statuses = _tried(GROUPS[group][::step], COMMANDS, good, tmp_path, capsys)
    assert faults == []
    assert statuses["report", 2]


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_what_is_read_can_be_drawn(good, tmp_path, capsys, group):
    commands = {"report": COMMANDS["report"]}
    faults, _ = _tried(GROUPS[group][::11], commands, good, tmp_path, capsys)
    assert faults == []


def _tried(cases, commands, good, folder, said):
    """Run commands on spoilt runs; returns what is wrong, and how often they ended how."""
    faults, statuses = [], Counter()
    for number, case in enumerate(cases):
        spoilt = case.into(good, folder / f"spoilt{number}")
        for name, command in commands.items():
            status = int(command(str(good), str(spoilt)))
            told = said.readouterr()
            why = fault(status, *told, is_report=name == "report")
            reads_it = name == "report" or case.file != "examples.npz"
            if case.refused and reads_it and status != 2:
                why = "it is believed"
            if why:
                faults.append(f"{case.file}: {case.name}: {name}: {status}: {why}: {told.err}")
            statuses[name, status] += 1
        shutil.rmtree(spoilt)
    return faults, statuses
