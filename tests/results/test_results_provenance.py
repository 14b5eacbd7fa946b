import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from helpers import numpy_study

from saliency_bench.results import contents, provenance
from saliency_bench.similarities import SSIM
from saliency_bench.storage import source


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
    monkeypatch.setattr(
        provenance, "__file__", str(tmp_path / "site-packages" / "p" / "results" / "f.py")
    )
    assert provenance.git_commit() == ""


def test_without_git_there_is_no_commit(monkeypatch, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "p").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "p" / "results" / "f.py"))
    monkeypatch.setenv("PATH", str(Path(tmp_path) / "nowhere"))
    assert provenance.git_commit() == ""


def test_everything_that_decided_the_numbers_is_named():
    a_study = numpy_study.study(settings=source.numerics())
    facts = provenance.of_study(a_study)
    json.dumps(facts)
    assert facts["n_images"] == 40
    assert facts["explainers"].keys() == a_study.explainers.keys()
    assert {"numpy", "tensorflow", "saliency-bench"} <= facts["versions"].keys()


@dataclass(frozen=True)
class Cited:
    """A part of a study that names a paper, perhaps with another one inside."""

    papers: ClassVar[tuple[str, ...]] = ("adebayo2018",)

    base: object = None


def test_the_papers_behind_each_part_are_named():
    a_study = numpy_study.study(settings=source.numerics())
    parts = replace(
        a_study,
        explainers={**a_study.explainers, "cited": Cited(), "wrapped": Cited(SSIM())},
        similarities={"ssim": SSIM()},
    )
    facts = provenance.of_study(parts)["papers"]
    assert facts["explainer.cited"] == ["adebayo2018"]
    assert facts["explainer.wrapped"] == ["adebayo2018", "wang2004", "binder2023"]
    assert facts["similarity.ssim"] == ["wang2004", "binder2023"]
    assert set(facts) == {"explainer.cited", "explainer.wrapped", "similarity.ssim"}
    contents.FACTS("provenance.json", {"problems": [], "papers": facts})


@pytest.mark.parametrize(
    ("accuracies", "facts"),
    [
        ([0.9, 0.5, 0.1, 0.3], {"accuracy": 0.9, "accuracy_destroyed": {"cascade": 0.2}}),
        ([np.nan] * 4, {"accuracy": None, "accuracy_destroyed": None}),
    ],
)
def test_accuracies_before_and_after_the_full_redraw(accuracies, facts):
    networks = pd.DataFrame(
        {
            "check": "cascade",
            "stage": [0, 1, 2, 2],
            "depth": [0, 0.5, 1, 1],
            "destroyed": [False, False, True, True],
            "accuracy": accuracies,
        }
    )
    assert provenance.accuracies(networks) == facts
