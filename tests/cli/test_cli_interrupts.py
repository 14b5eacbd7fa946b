"""Ctrl-C and SIGTERM at any moment: 130 or 143, how to go on, and nothing stored is lost."""

import json
import os
import re
import signal
import time
from pathlib import Path
from random import Random
from subprocess import TimeoutExpired

import pytest
from helpers.commands import start

from saliency_bench.models import training
from saliency_bench.storage.store import Store

MOMENTS = 40

BROKEN = """
import os, signal

class Mine:
    def __init__(self, number, error, at):
        self.number, self.error, self.at = number, error, at

    def __call__(self, model, images, targets):
        if os.path.exists("armed"):
            os.remove("armed")
            try:
                signal.raise_signal(self.number)
            except KeyboardInterrupt:
                raise getattr(__import__("builtins"), self.error)("broken off") from None
        return images

def no_model():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise AssertionError("broken off") from None
"""


@pytest.fixture
def mine(tmp_path):
    """A module with an explainer and a network that interrupt."""
    (tmp_path / "interrupting.py").write_text(BROKEN)
    (tmp_path / "armed").touch()


def explainer_of(number, error):
    return (
        "+explainer.mine._target_=interrupting.Mine",
        f"+explainer.mine.number={int(number)}",
        f"+explainer.mine.error={error}",
        "+explainer.mine.at=1",
    )


def require_interrupted(done, status, flags=""):
    assert done.status == status
    assert done.out == ""
    assert done.err.count("\n") == 1
    began = f"saliency_bench: interrupted; to go on: python -m saliency_bench {flags}"
    assert done.err.startswith(began)
    assert done.err.endswith(" run_dir=run\n")


@pytest.mark.parametrize("error", ["AssertionError", "SystemError", "SystemExit"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_that_becomes_another_error_of_an_explainer_is_no_row(
    command, small, mine, without_figures, number, status, error
):
    line = (*small, *explainer_of(number, error))
    require_interrupted(command(*line), status)
    assert not json.loads(Path("run/run.json").read_text())["finished"]
    assert command(*line).status == 0
    assert not json.loads(Path("run/provenance.json").read_text())["failed"]


def test_one_that_becomes_another_error_in_a_sweep_ends_the_sweep(command, small, mine):
    line = ("-m", *small, *explainer_of(signal.SIGINT, "AssertionError"), "seed=0,1")
    require_interrupted(command(*line), 130, "-m ")
    assert not Path("run/1").exists()


def test_one_while_a_users_network_is_built(command, small, mine):
    line = (*small[:2], *small[4:], "model=function", "model._target_=interrupting.no_model")
    require_interrupted(command(*line), 130)


def test_one_that_a_destructor_loses_ends_the_training(command, small, files, monkeypatch):
    fit = training._Watch._batch
    batches = []

    class Loses:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def batch(watch, number, logs):
        batches.append(number)
        if number == 0:
            Loses()
        fit(watch, number, logs)

    monkeypatch.setattr(training._Watch, "_batch", batch)
    network = ("model=cnn", "model.units=8", "model.filters=[2]", "model.training.epochs=3")
    done = command(*small[4:], "dataset=digits", *network)
    require_interrupted(done, 130)
    assert batches == [0]


def test_a_second_one_cannot_hide_how_to_go_on(command, small, monkeypatch):
    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGINT)

    def tell(line, tell=command.__globals__["main"].job.tell):
        signal.raise_signal(signal.SIGINT)
        tell(line)

    monkeypatch.setattr("saliency_bench.study.run.run_study", interrupted)
    monkeypatch.setattr("saliency_bench.cli.job.tell", tell)
    require_interrupted(command(*small), 130)


# ---------------------------------------------------------------- processes of their own


def listen_to_signals():
    """In a child of a shell's background job SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begin(cwd, *arguments):
    """The command, as soon as it receives signals."""
    cwd.mkdir(exist_ok=True)
    process = start(cwd, *arguments, preexec_fn=listen_to_signals, start_new_session=True)
    while process.poll() is None and not catches(process.pid, signal.SIGTERM):
        time.sleep(0.002)
    return process


def catches(pid, number):
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16)
    return bool(caught >> (number - 1) & 1)


def seconds_of(process):
    begun = time.monotonic()
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    return time.monotonic() - begun


def interrupt(process, after, number, tell=os.kill):
    """Exit status, and what was said on standard error."""
    try:
        process.wait(after)
    except TimeoutExpired:
        tell(process.pid, number)
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


def require_ended_well(ended, status, folder):
    returned, said = ended
    assert returned in (0, status), said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    if returned:
        last = said.splitlines()[-1]
        assert last.startswith("saliency_bench: interrupted; to go on: python -m saliency_bench")
    store = Store(folder)
    keys = [path.stem for path in (folder / "cells").glob("[!.]*.npz")]
    assert not any(map(store.damaged, keys))
    assert not [path for path in folder.rglob(".begun-*") if path.is_file()]


def test_the_very_start_is_interrupted_as_well(tmp_path):
    process = begin(tmp_path, "seed=3")
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        "saliency_bench: interrupted; to go on: python -m saliency_bench seed=3"
    )


TRAINED = (
    *("dataset=digits", "model=cnn", "model.units=16", "model.filters=[2,4]", "n_images=8"),
    *("model.training.epochs=60", "draws=3", "explainer=[gradient,smoothgrad,grad_cam]"),
    *("explainer.smoothgrad.samples=50", "similarity=[spearman_signed,spearman_abs]"),
    "run_dir=run",
)
"""Start, training, tracing, scoring and report, in seconds."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "tell", "folder"),
    [((), os.kill, "run"), (("workers=2",), os.killpg, "run"), (("-m",), os.kill, "run/0")],
    ids=["alone", "workers", "sweep"],
)
def test_at_forty_moments_it_is_told_and_loses_nothing(tmp_path, flags, tell, folder):
    line = (*flags, *TRAINED)
    whole = seconds_of(begin(tmp_path / "whole", *line))
    table = (tmp_path / "whole" / folder / "scores.parquet").read_bytes()
    random = Random(" ".join(line))
    moments = MOMENTS if not flags else MOMENTS // 4
    for moment in range(moments):
        cwd, number = tmp_path / str(moment), random.choice([signal.SIGINT, signal.SIGTERM])
        after = (moment + random.random()) / moments * whole
        ended = interrupt(begin(cwd, *line), after, number, tell)
        require_ended_well(ended, 128 + number, cwd / folder)
        if moment % 8 == 7:
            seconds_of(begin(cwd, *line))
            assert (cwd / folder / "scores.parquet").read_bytes() == table
