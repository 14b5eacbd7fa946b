"""Sweeps by real launchers; `make test-launchers` installs them and runs this."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.launchers]

SWEEP = ("hydra.mode=MULTIRUN", "seed=0,1")
LAUNCHERS = {
    "joblib": ("hydra/launcher=two_processes",),
    "submitit": ("hydra/launcher=submitit_local",),
    "ray": ("hydra/launcher=ray",),
}


@pytest.fixture(params=LAUNCHERS)
def launcher(request):
    return LAUNCHERS[request.param]


def cells(folder):
    """When each cell was written, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/cells/*.npz")}


def finished(folder):
    runs = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/run.json")}
    return {name for name, run in runs.items() if run["finished"]}


def require_same(folder, other):
    for job in ("0", "1"):
        for table in ("summary.csv", "scores.parquet"):
            assert (folder / job / table).read_bytes() == (other / job / table).read_bytes()


def test_every_launcher_finds_the_numbers_of_one_job_after_the_other(bench):
    explainers = "explainer=[gradient,magnitude]"
    assert bench.run(*SWEEP, explainers, "run_dir=basic") == (0, [])
    # Two devices that are not there: TensorFlow then computes without.
    devices = {"CUDA_VISIBLE_DEVICES": "0,1"}
    for name, chosen in {**LAUNCHERS, "gpus": ("hydra/launcher=gpus",)}.items():
        assert bench.run(*SWEEP, explainers, *chosen, f"run_dir={name}", **devices) == (0, [])
        require_same(bench.folder / "basic", bench.folder / name)


def test_a_killed_job_takes_no_neighbour_and_the_rerun_does_what_is_missing(bench, launcher):
    sweep = [*SWEEP, "explainer=[magnitude,deadly]"]
    (bench.folder / "kill").touch()
    status, (line,) = bench.run(*sweep, *launcher, "run_dir=study")
    assert status == 1
    assert " died of signal 9; the same command computes what is missing" in line
    study = bench.folder / "study"
    (neighbour,) = finished(study)
    killed = str(1 - int(neighbour))
    assert f"job {killed} (seed={killed})" in line
    kept = cells(study)
    assert any(path.parts[-3] == killed for path in kept)

    assert bench.run(*sweep, *launcher, "run_dir=study") == (0, [])
    now = cells(study)
    assert len(now) > len(kept)
    assert kept.items() <= now.items()
    assert bench.run(*sweep, "run_dir=whole") == (0, [])
    require_same(study, bench.folder / "whole")


def test_a_job_that_is_refused_is_named_and_the_others_finish(bench):
    chosen = LAUNCHERS["joblib"]
    status, lines = bench.run(
        *(SWEEP[0], "dataset.path=none.npz,images.npz", "explainer=[magnitude]", *chosen),
        "run_dir=study",
    )
    assert status == 2
    why, which = lines
    assert why == "saliency_bench: no such file: none.npz"
    assert which == "saliency_bench: job 0 (dataset.path=none.npz) ended with exit status 2"
    assert finished(bench.folder / "study") == {"1"}


def alive(mark):
    """Processes whose environment holds a mark, without ray's own."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # ended meanwhile, or another person's
            continue
    return [line for line in found if not line.startswith("ray::")]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_command_ends_every_job(bench, launcher, number):
    sweep = [*SWEEP, "explainer=[slow]", *launcher, "run_dir=study"]
    started = bench.start(*sweep, LAUNCHERS_TEST=str(bench.folder))
    while started.poll() is None and len(cells(bench.folder / "study")) < 4:
        time.sleep(0.05)
    # In a terminal Ctrl-C is for everyone there.
    tell = os.killpg if number == signal.SIGINT else os.kill
    tell(started.pid, number)
    assert started.wait(60) == (-number if number == signal.SIGKILL else 128 + number)
    deadline = time.monotonic() + 30
    while (left := alive(f"LAUNCHERS_TEST={bench.folder}")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []
    said = started.communicate(timeout=60)[1]
    if number != signal.SIGKILL:
        assert (
            said.count("saliency_bench: interrupted; the same command computes what is missing")
            == 1
        )
