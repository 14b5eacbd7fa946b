"""What lies in a run folder for people, and what must not where images are private."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RUN = Path("run")


def pictured():
    """Whatever shows an image or a map."""
    names = {path.name for path in (RUN / "figures").glob("maps*")}
    names |= {"examples.npz"} if (RUN / "examples.npz").exists() else set()
    names |= {"report.html"} if "image/webp" in (RUN / "report.html").read_text() else set()
    for path in (RUN / "cells").iterdir():
        with np.load(path) as cell:
            names |= {"cells"} if "example" in cell.files else set()
    return names


def test_a_run_has_a_page_and_tables_and_private_images_are_nowhere(command, small, monkeypatch):
    monkeypatch.setattr(
        "saliency_bench.report.figures.style.encoded", lambda *_: b""
    )  # it takes long
    private = [*small, "report.images=false"]
    done = command(*private)
    assert done.status == 0
    assert done.out.endswith("report: run/report.html\n")
    assert (RUN / "report.html").read_text().startswith("<!doctype html>")
    assert "\\toprule" in (RUN / "tables" / "param_randomization.tex").read_text()
    assert "| explainer |" in (RUN / "tables" / "param_randomization.md").read_text()
    assert pictured() == set()
    scores = (RUN / "scores.parquet").read_bytes()

    assert command(*small).status == 0
    assert {"examples.npz", "report.html", "cells"} < pictured()
    assert any(name.startswith("maps") for name in pictured())
    assert (RUN / "scores.parquet").read_bytes() == scores

    assert command(*private).status == 0
    assert pictured() == {"cells"}  # what an earlier run kept is not this one's to remove


def test_raw_maps_of_private_images_are_refused(command, small):
    done = command(*small, "report.images=false", "save_maps=true")
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert "save_maps=true with report.images=false" in line
    assert "the raw map of an edge detector is the image" in line
    assert not RUN.exists()


@pytest.mark.slow
def test_the_page_of_all_that_there_is_stays_small(tmp_path):
    command = [sys.executable, "-m", "saliency_bench", "+experiment=full", "run_dir=run"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
    assert 500_000 < (tmp_path / RUN / "report.html").stat().st_size < 5_000_000
