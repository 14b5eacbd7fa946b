"""The commands of docs/gate.md, one after another in a fresh folder, as on the first day."""

import os
import sys
from importlib import import_module

import pytest
from helpers import guides as pages
from helpers.small_files import write_images

from saliency_bench.cli import main

PAGE = pages.ROOT / "docs" / "gate.md"
SMALL = ["n_images=8", "draws=3", "similarity=[spearman_signed,spearman_abs]", "cores=1"]


@pytest.fixture
def folder(tmp_path, networks, in_this_process, without_figures, monkeypatch):
    """A folder with a network and images under the names of the page's workflow."""
    (tmp_path / "my_model.keras").write_bytes((networks / "cnn.keras").read_bytes())
    (tmp_path / "made").mkdir()
    write_images(tmp_path / "made")
    (tmp_path / "made" / "good.npz").rename(tmp_path / "my_images.npz")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path


def carry_out(command, monkeypatch):
    name, rest = pages.arguments([os.path.expandvars(word) for word in command])
    if name == "run":
        monkeypatch.setattr(sys, "argv", ["saliency_bench", *rest, *SMALL])
        return main.main()
    return import_module(f"saliency_bench.{name}.command").main(rest)


def test_the_gate_is_open_on_the_first_day(folder, monkeypatch, capsys):
    ours = [command for command in pages.commands(PAGE) if pages.arguments(command)]
    _, freeze, again, run, compared = ours
    assert carry_out(run, monkeypatch) in (0, 1)  # a network that is at chance is told
    assert carry_out(freeze, monkeypatch) == 0
    assert carry_out(again, monkeypatch) == 0
    assert carry_out(compared, monkeypatch) == 0
    assert (folder / "saliency.xml").read_text().startswith("<")
    assert "gradient" in (folder / "summary.md").read_text()
