"""The worst of it through the real command, from a folder with spaces, umlauts and an emoji."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import spoilt_networks
from helpers.spoilt import MARKER, listing
from helpers.spoilt_arrays import bombs, saved, traps

pytestmark = pytest.mark.slow

REFUSED = {
    "number_beyond_all": ["seed=" + "9" * 400],
    "no_number": ["n_images=nan"],
    "list_for_a_number": ["draws=[1,2]"],
    "threads_no_system_has": ["threads=1000000"],
    "target_is_a_number": ["explainer.gradient._target_=3"],
    "leftover": ["explainer=[gradient]", "explainer.smoothgrad.samples=9"],
    "folder_without_photos": ["dataset=image_folder", "dataset.path='Schöne Übung 🐈'"],
    "file_for_a_folder": ["dataset=image_folder", "dataset.path=damaged.npz"],
    "path_too_long": ["model=saved", "model.path=" + "x" * 5000],
    "nested": ["expected=" + "[" * 3000 + "]" * 3000],
    "not_of_this_grammar": ["explainer=[gradient", "\x07={"],
    "run_dir_is_a_file": ["run_dir=damaged.npz/run"],
}

NETWORKS = {
    "lambda": spoilt_networks.with_layer(spoilt_networks.LAMBDA),
    "own_class": spoilt_networks.with_layer(
        spoilt_networks.layer(spoilt_networks.EVIL_MODULE, "Evil")
    ),
    "cut": lambda whole: whole[: len(whole) // 2],
    "more_than_the_memory": spoilt_networks.with_units(10**12),
}

ARRAYS = {
    "cut": saved(x=np.zeros((4, 8, 8), np.uint8))[:-20],
    "objects": saved(x=traps()),
    **{case.name: case.make(b"") for case in bombs("x.npy")},
}


def command(*line: str) -> subprocess.CompletedProcess[str]:
    """The real command in the working directory."""
    words = [sys.executable, "-m", "saliency_bench", *line]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def refused(*line: str) -> str:
    """What a command says of what it does not carry out; it writes to its run folder at most."""
    here = Path.cwd()
    before = listing(here)
    done = command("run_dir=run", *line)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("saliency_bench: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert [path for path in listing(here) if not path.startswith(f"{here}/run")] == before
    return done.stderr


@pytest.fixture
def finished(here, good):
    """Settings of a run that can be carried out."""
    (here / "gut ü.npz").write_bytes(saved(x=good.pixels, y=good.labels))
    (here / "gut ü.keras").write_bytes(good.file)
    return (
        "dataset=npz", "dataset.path='gut ü.npz'", "model=saved", "model.path='gut ü.keras'",
        "explainer=[gradient]", "similarity=[spearman_signed]", "draws=3", "n_images=24",
    )  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_lines(here, name):
    (here / "Schöne Übung 🐈").mkdir()
    (here / "damaged.npz").write_bytes(b"PK")
    assert len(refused(*REFUSED[name])) > 30


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(here, finished, name):
    (here / "spoilt ü.npz").write_bytes(ARRAYS[name])
    assert "spoilt ü.npz" in refused("dataset.path='spoilt ü.npz'", *finished[:1], *finished[2:])


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(here, finished, good, name):
    (here / "spoilt ü.keras").write_bytes(NETWORKS[name](good.file))
    (here / f"{spoilt_networks.EVIL_MODULE}.py").write_text(f"open({MARKER!r}, 'w').close()\n")
    assert "spoilt ü.keras" in refused(*finished, "model.path='spoilt ü.keras'")


def test_a_good_line_with_the_largest_seed_runs(here, finished):
    before = listing(here)
    done = command(*finished, f"seed={2**63 - 1}", "run_dir='Läufe 🐈/mit Leerzeichen'")
    assert (done.returncode, done.stderr) == (0, "")
    assert "report: Läufe 🐈/mit Leerzeichen/report.html" in done.stdout
    own = str(here / "Läufe 🐈")
    assert [path for path in listing(here) if not path.startswith(own)] == before
