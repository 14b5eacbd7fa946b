"""The command line in this process, and files to give it."""

import sys
from dataclasses import dataclass

import pytest
from helpers.small_files import write_images

from saliency_bench.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(in_this_process, monkeypatch, capsys):
    """Runs a command line in this process, in an empty folder."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["saliency_bench", *map(str, arguments)])
        status = main.main()
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture
def refused(command):
    """Runs a command line that must be refused in one line; returns the line."""

    def run(*arguments):
        done = command(*arguments)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("saliency_bench: ")
        assert done.err.count("\n") == 1
        assert "Traceback" not in done.err
        return done.err

    return run


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with images `good.npz` and many that are not good."""
    folder = tmp_path_factory.mktemp("images")
    write_images(folder)
    return folder


@pytest.fixture
def small(files, networks):
    """What makes a run small: own files, one explainer, one similarity."""
    return (
        f"dataset=npz dataset.path={files}/good.npz model=saved model.path={networks}/cnn.keras "
        "n_images=8 draws=3 explainer=[gradient] "
        "similarity=[spearman_signed,spearman_abs] run_dir=run"
    ).split()
