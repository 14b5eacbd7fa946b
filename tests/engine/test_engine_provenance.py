import json
import subprocess
import sys
from pathlib import Path

import pytest

from saliency_bench import provenance


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["/somewhere/saliency_bench/__main__.py", "seed=3"], "python -m saliency_bench seed=3"),
        (["/somewhere/study.py", "a b"], "study.py 'a b'"),
        ([""], ""),
    ],
)
def test_the_command_names_no_path_of_its_program(monkeypatch, argv, shown):
    monkeypatch.setattr(sys, "argv", argv)
    assert provenance.command() == shown


def test_the_commit_of_another_repository_is_not_ours(monkeypatch, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "site-packages" / "p" / "f.py"))
    assert provenance.git_commit() == ""


def test_without_git_there_is_no_commit(monkeypatch, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "p").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "p" / "f.py"))
    monkeypatch.setenv("PATH", str(Path(tmp_path) / "nowhere"))
    assert provenance.git_commit() == ""


def test_everything_that_decided_the_numbers_is_named(make_study):
    a_study = make_study(settings=provenance.numerics())
    facts = provenance.of_study(a_study)
    json.dumps(facts)
    assert facts["n_images"] == 40
    assert facts["explainers"].keys() == a_study.explainers.keys()
    assert {"numpy", "tensorflow", "saliency-bench"} <= facts["versions"].keys()
