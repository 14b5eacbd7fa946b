"""The real command, killed, stopped and cramped: the same command goes on to the same bits."""

import math
import os
import resource
import signal
import time
from pathlib import Path

import pytest
from helpers import disks
from helpers.commands import start

RUN = "Läufe für März"
LONG = ("draws=10", "explainer=[gradient,smoothgrad]", "explainer.smoothgrad.samples=150")


def finish(process):
    """Exit status, and what was said on standard error."""
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


def run(cwd, *arguments, **settings):
    return finish(start(cwd, *arguments, **settings))


def cells(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "cells").glob("[!.]*")}


def wait_for(process, folder, count):
    """Until so many cells are there."""
    while process.poll() is None and len(cells(folder)) < count:
        time.sleep(0.005)


def tables(folder):
    return [(folder / name).read_bytes() for name in ("scores.parquet", "floors.parquet")]


def strays(folder):
    return [path for path in folder.rglob(".begun-*") if path.is_file()]


def working_in(folder):
    """Processes whose working directory this is."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve() == folder.resolve():
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
                found += [int(entry.name)] if state != "Z" else []
        except OSError:  # it has ended
            continue
    return found


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()


def wait_until_nobody_works_in(folder, *, but=()):
    deadline = time.monotonic() + 60
    while left := set(working_in(folder)) - set(but):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.fixture
def study(small, tmp_path):
    """A small run that lasts long enough to be stopped, but for its folder."""
    arguments = [part for part in small if not part.startswith(("explainer=", "run_dir="))]
    return [*arguments, *LONG]


@pytest.fixture
def whole(study, tmp_path):
    assert run(tmp_path, *study, "run_dir=whole")[0] == 0
    return tables(tmp_path / "whole")


def in_folder(name):
    return f"run_dir='{name}'"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_three_kills_lose_nothing(study, whole, tmp_path, workers):
    folder = tmp_path / RUN
    command = [*study, in_folder(RUN), f"workers={workers}"]
    total = len(cells(tmp_path / "whole"))
    for share in (0.1, 0.4, 0.8):
        process = start(tmp_path, *command)
        wait_for(process, folder, math.ceil(share * total))
        process.kill()
        assert finish(process)[0] == -signal.SIGKILL
        wait_until_nobody_works_in(tmp_path)
        before = cells(folder)
        assert share * total <= len(before) < total
    assert run(tmp_path, *command)[0] == 0
    assert before.items() <= cells(folder).items()
    assert tables(folder) == whole
    assert not strays(folder)


@pytest.mark.slow
def test_two_commands_at_once_share_one_run(study, whole, tmp_path):
    both = [start(tmp_path, *study, in_folder(RUN)) for _ in range(2)]
    assert [finish(process) for process in both] == [(0, "")] * 2
    assert tables(tmp_path / RUN) == whole
    assert not strays(tmp_path / RUN)


@pytest.mark.slow
def test_a_run_outlives_its_helper(study, whole, tmp_path):
    folder = tmp_path / RUN
    process = start(tmp_path, *study, in_folder(RUN), "workers=2")
    wait_for(process, folder, 2)
    (helper,) = (pid for pid in working_in(tmp_path) if "popen_loky" in command_of(pid))
    os.kill(helper, signal.SIGKILL)
    assert finish(process) == (0, "")
    assert tables(folder) == whole


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_processes_and_says_how_to_go_on(
    study, tmp_path, workers, number, status
):
    process = start(tmp_path, *study, in_folder(RUN), f"workers={workers}")
    wait_for(process, tmp_path / RUN, 3)
    process.send_signal(number)
    returned, said = finish(process)
    assert returned == status, said
    assert "Traceback" not in said
    assert "interrupted; to go on: python -m saliency_bench" in said.splitlines()[-1]
    wait_until_nobody_works_in(tmp_path)
    assert not strays(tmp_path / RUN)


# ---------------------------------------------------------------- no room


@pytest.fixture
def disk(tmp_path):
    """A disk of its own, mounted anew with other options by calling it."""
    with disks.mounted(tmp_path / "disk", "size=100k") as mount:
        yield mount


def require_refused(done, *words):
    status, said = done
    assert status == 2, said
    assert said.count("\n") == 1
    assert said.startswith("saliency_bench: ")
    for word in words:
        assert word in said


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_and_a_read_only_disk_lose_nothing(study, whole, tmp_path, disk, workers):
    folder = tmp_path / "disk" / RUN
    command = [*study, in_folder(f"disk/{RUN}"), f"workers={workers}"]
    require_refused(run(tmp_path, *command), "No space left on device", "to go on: ")
    before = cells(folder)
    assert before
    assert not strays(folder)
    disk("ro,size=64m")
    require_refused(run(tmp_path, *command), "Read-only file system")
    disk("rw,size=64m")
    assert run(tmp_path, *command) == (0, "")
    assert before.items() <= cells(folder).items()
    assert tables(folder) == whole


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_told(study, whole, tmp_path):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    command = [*study, in_folder(RUN)]
    require_refused(run(tmp_path, *command, preexec_fn=limited), "File too large")
    assert not strays(tmp_path / RUN)
    before = cells(tmp_path / RUN)
    assert run(tmp_path, *command) == (0, "")
    assert before.items() <= cells(tmp_path / RUN).items()
    assert tables(tmp_path / RUN) == whole
