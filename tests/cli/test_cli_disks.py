"""Whole runs on disks that are small, read-only or damaged, and in folders that move."""

import json
import os
from pathlib import Path

import pytest
from helpers import disks

pytestmark = pytest.mark.usefixtures("without_figures")

RUN = Path("disk/run")
SMALL = 64
"""Kilobytes in which a few cells find room."""


@pytest.fixture
def disk(tmp_path):
    """A disk with little room, mounted anew by calling it."""
    with disks.mounted(tmp_path / "disk", f"size={SMALL}k") as mount:
        yield mount


def scores(folder):
    return (Path(folder) / "scores.parquet").read_bytes()


def cells(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "cells").glob("[!.]*")}


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def strays(folder):
    return [path for path in folder.rglob(".*") if path.is_file()]


def require_refused(done, *words):
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert done.err.startswith("saliency_bench: ")
    for word in words:
        assert word in done.err


def test_a_disk_that_is_full_anywhere_in_a_run_is_one_line_until_there_is_room(
    command, small, disk
):
    size, kept = SMALL, [{}]
    while (done := command(*small, f"run_dir={RUN}")).status:
        require_refused(done, "No space left on device", f"run_dir={RUN}")
        kept.append(cells(RUN))
        assert kept[-2].items() <= kept[-1].items()
        assert not strays(RUN)
        size += size // 2
        disk(f"size={size}k")
    assert (done.status, done.err) == (0, "")
    assert kept[-1].items() <= cells(RUN).items()
    counts = [len(found) for found in kept]
    assert len(set(counts)) > 3, counts
    assert counts.count(len(cells(RUN))) > 1, counts  # no room for tables, or for the report
    assert command(*small, "run_dir=whole").status == 0
    assert scores(RUN) == scores("whole")


def test_a_finished_run_is_told_again_from_a_read_only_disk(command, small, disk):
    disk("size=64m")
    first = command(*small, f"run_dir={RUN}")
    disk("ro,size=64m")
    assert command(*small, f"run_dir={RUN}") == first
    require_refused(command(*small, f"run_dir={RUN}", "draws=4"), "Read-only file system")
    require_refused(command(*small, "run_dir=disk/other"), "Read-only file system")
    disk("rw,size=64m")
    assert command(*small, f"run_dir={RUN}", "draws=4").status == 0


@pytest.mark.parametrize("days", [0, 200 * 365])
def test_a_run_that_was_moved_is_told_again_and_gone_on_with(command, small, days):
    first = command(*small)
    whole = scores("run")
    moved = Path("Läufe für März") / "a b"
    moved.parent.mkdir()
    Path("run").rename(moved)
    for path in moved.rglob("*"):
        os.utime(path, (days * 86400,) * 2)
    written, before = files(moved), cells(moved)
    again = command(*small, f"run_dir='{moved}'")
    assert (again.status, again.err) == (first.status, first.err)
    assert again.out == first.out.replace("report: run/", f"report: {moved}/")
    assert files(moved) == written
    (moved / "scores.parquet").unlink()
    assert command(*small, f"run_dir='{moved}'").status == 0
    assert cells(moved) == before
    assert scores(moved) == whole


def test_damaged_cells_are_told_and_computed_anew(command, small):
    folder = Path("run")
    assert command(*small).status == 0
    whole, before = scores(folder), cells(folder)
    cut, folded, *kept = before
    cut.write_bytes(cut.read_bytes()[:-1])
    folded.unlink()
    folded.mkdir()
    (folder / "scores.parquet").unlink()
    assert command(*small).status == 0
    assert json.loads((folder / "provenance.json").read_text())["damaged_cells"] == 2
    assert scores(folder) == whole
    assert {path: before[path] for path in kept}.items() <= cells(folder).items()


RUN_FILES = {
    "cut": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: "",
    "a list": lambda whole: "[]",
    "deep": lambda whole: 99_999 * "[",
    "of another version": lambda whole: whole.replace('"schema_version": ', '"schema_version": 9'),
    "without an end": lambda whole: whole.replace('"finished"', '"was"'),
    "of text": lambda whole: whole.replace('"finished": true', '"finished": "x"'),
}


def test_a_damaged_run_file_says_how_to_go_on_and_one_does_with_all_cells(command, small):
    folder, file = Path("run"), Path("run/run.json")
    assert command(*small).status == 0
    text, whole, before = file.read_text(), scores(folder), cells(folder)
    for damage in RUN_FILES.values():
        file.write_text(damage(text))
        done = command(*small)
        require_refused(done, "run.json", "delete it and run the same command again")
        assert len(done.err) < 300
    file.unlink()
    (folder / "plan.json").write_text("{")
    (folder / "scores.parquet").unlink()
    assert command(*small).status == 0
    assert cells(folder) == before
    assert scores(folder) == whole
    assert json.loads((folder / "plan.json").read_text())["cells"]
    assert json.loads(file.read_text())["finished"]


def test_a_cell_under_another_ones_name_is_computed_anew(command, small):
    folder = Path("run")
    assert command(*small).status == 0
    whole = scores(folder)
    one, other, *_ = cells(folder)
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    (folder / "scores.parquet").unlink()
    assert command(*small).status == 0
    assert json.loads((folder / "provenance.json").read_text())["damaged_cells"] == 1
    assert one.read_bytes() == kept
    assert scores(folder) == whole


def test_a_table_with_a_flipped_bit_is_made_again_from_the_cells(command, small):
    folder = Path("run")
    assert command(*small).status == 0
    whole, before = scores(folder), cells(folder)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (folder / "scores.parquet").write_bytes(flipped)
    assert command(*small).status == 0
    assert scores(folder) == whole
    assert cells(folder) == before
