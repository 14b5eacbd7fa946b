"""What only a process of its own shows: TensorFlow's start, real signals, a real kill."""

import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.commands import start

STUDIES = Path(__file__).parents[2] / "experiments" / "__main__.py"
TINY = (
    *("n_images=8", "draws=3", "model.units=16", "model.filters=[2,4]", "model.training.epochs=1"),
    *("explainer=[gradient,smoothgrad]", "explainer.smoothgrad.samples=150"),
    "similarity=[spearman_signed,spearman_abs]",
)
MAIN = "sys.argv = ['', *sys.argv[1:]]; from saliency_bench.cli.main import main; code = main()"


def heavy(cwd, *arguments, names=("tensorflow", "keras")):
    """Which heavy libraries a command starts, and what it prints."""
    code = f"import sys; {MAIN}; print(code, *{set(names)} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def stop_after(process, cells, folder, number):
    """Send a signal once so many cells are there; returns what was said on standard error."""
    while process.poll() is None and len(list(folder.glob("cells/*.npz"))) < cells:
        time.sleep(0.01)
    process.send_signal(number)
    return process.communicate(timeout=60)[1]


def test_help_starts_nothing_heavy(tmp_path):
    names = ("tensorflow", "keras", "pandas", "pyarrow")
    assert heavy(tmp_path, "--help", names=names).splitlines()[-1] == "0"


@pytest.mark.parametrize(
    ("line", "rule"),
    [("sed=3", "nearest: seed"), ("dataset=npz dataset.path=none.npz", "no such file: none.npz")],
)
def test_bad_input_is_one_line_and_starts_no_tensorflow(tmp_path, line, rule):
    for name in ("tensorflow", "keras"):  # found before the installed ones
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was started')")
    refused = start(tmp_path, *line.split())
    out, err = refused.communicate(timeout=60)
    assert (refused.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("saliency_bench: ")
    assert rule in err


def test_studies_without_their_data_are_refused_in_one_line(monkeypatch, tmp_path, capsys):
    studies = runpy.run_path(str(STUDIES))
    monkeypatch.delenv("SALIENCY_BENCH_DATA", raising=False)
    monkeypatch.setitem(studies["main"].__globals__, "ROOT", tmp_path)
    assert studies["main"]([]) == 2
    told = capsys.readouterr().err
    assert told.startswith("SALIENCY_BENCH_DATA must")
    assert told.count("\n") == 1


@pytest.mark.slow
def test_a_run_goes_on_after_ctrl_c_and_after_a_kill_with_the_same_bytes(tmp_path):
    stopped, run = [*TINY, "run_dir=stopped"], tmp_path / "stopped"
    interrupted = start(tmp_path, *stopped)
    said = stop_after(interrupted, 3, run, signal.SIGINT)
    assert interrupted.returncode == 130, said
    assert said.splitlines()[-1].endswith(" run_dir=stopped")
    assert "Traceback" not in said

    killed = start(tmp_path, *stopped)
    stop_after(killed, len(list(run.glob("cells/*.npz"))) + 5, run, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    kept = {path: path.read_bytes() for path in run.glob("cells/*.npz")}
    assert len(kept) >= 8

    whole = start(tmp_path, *TINY, "run_dir=whole")
    assert whole.communicate(timeout=120)[1].count("Traceback") == 0
    resumed = start(tmp_path, *stopped)
    shown = resumed.communicate(timeout=120)[0]
    assert resumed.returncode == whole.returncode
    assert kept == {path: path.read_bytes() for path in kept}
    tables = [tmp_path / name / "scores.parquet" for name in ("stopped", "whole")]
    assert tables[0].read_bytes() == tables[1].read_bytes()

    assert heavy(tmp_path, *stopped).splitlines() == [*shown.splitlines(), str(whole.returncode)]
