"""What counts as decisive: all that computing a cell, or training a network, reaches."""

import shutil
from pathlib import Path

import pytest
import yaml

import saliency_bench
from saliency_bench.storage import source

PACKAGE = Path(saliency_bench.__file__).parent
CONF = PACKAGE.parent / "conf"
COMPUTING = ("study.build", "study.compute", "study.inputs")
"""From a request's objects to cells."""


@pytest.fixture
def copy(tmp_path):
    """A checkout that may be edited."""
    ours = tmp_path / "saliency_bench"
    shutil.copytree(PACKAGE, ours, ignore=shutil.ignore_patterns("__pycache__", "conf"))
    return ours


def targets():
    """The modules of every explainer, similarity, check, data set and model in conf/."""
    for path in sorted(CONF.glob("*/*.yaml")):
        node = yaml.safe_load(path.read_text())
        waiting = [node]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict):
                waiting += node.values()
                if str(node.get("_target_", "")).startswith("saliency_bench."):
                    yield node["_target_"].split(".", 1)[1]


def defined_in(target):
    """The module that defines what a folder hands on."""
    folder, name = target.split(".")
    return source._exports(PACKAGE / folder, folder)[name]


def test_nothing_that_the_computing_of_a_cell_reaches_is_left_out():
    known = {target for target in targets() if target.split(".")[0] not in ("cli", "tracking")}
    assert len(known) > 40
    reached = source.reachable([*COMPUTING, *map(defined_in, known)])
    assert {"engine.loop", "engine.scoring", "network.lrp_rules", "randomize.weights"} <= reached
    assert not {name for name in reached if name.split(".")[0] in source.AROUND}


def test_what_is_reached_stands_in_the_hash(copy):
    before = source.of_cells.__wrapped__(copy)
    for name in ("protocols/scenes.py", "engine/plan.py", "engine/references.py", "outputs.py",
                 "adapters/base.py", "storage/fingerprint.py", "checks/base.py"):  # fmt: skip
        path = copy / name
        path.write_text(path.read_text() + "\nEDITED = 1\n")
        after = source.of_cells.__wrapped__(copy)
        assert after != before, name
        before = after


@pytest.mark.parametrize("folder", sorted(source.AROUND))
def test_what_comes_before_or_after_the_scores_does_not(copy, folder):
    assert (copy / folder).is_dir()
    before = source.of_cells.__wrapped__(copy)
    for path in (copy / folder).rglob("*.py"):
        path.write_text(path.read_text() + "\nEDITED = 1\n")
    assert source.of_cells.__wrapped__(copy) == before


def test_comments_docstrings_and_blank_lines_do_not_count(copy):
    before = source.of_cells.__wrapped__(copy)
    path = copy / "protocols" / "scenes.py"
    text = path.read_text()
    path.write_text(text.replace('"""What is looked at', '"""Other words: what', 1))
    path.write_text(path.read_text().replace("BLOCK = 32", "\n# A comment.\nBLOCK = 32", 1))
    assert path.read_text() != text
    assert source.of_cells.__wrapped__(copy) == before
    path.write_text(text.replace("BLOCK = 32", "BLOCK = 33", 1))
    assert source.of_cells.__wrapped__(copy) != before


def test_the_hash_is_the_same_in_every_process():
    import subprocess
    import sys

    program = "from saliency_bench.storage import source; print(source.of_cells())"
    seeds = ("1", "2")
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed},
            cwd=PACKAGE.parent,
        ).stdout.strip()
        for seed in seeds
    }  # fmt: skip
    assert found == {source.of_cells()}


def test_a_cached_network_knows_what_training_reaches_and_no_more(copy):
    reached = source.reachable([source.TRAINING])
    assert {"models.training", "models.seeding", "randomize.streams"} <= reached
    assert not {n for n in reached if n.split(".")[0] in ("explainers", "similarities", "engine")}
    before = source.of_training.__wrapped__(copy)
    for name in ("explainers/cam.py", "engine/loop.py", "network/lrp_rules.py"):
        (copy / name).write_text((copy / name).read_text() + "\nEDITED = 1\n")
    assert source.of_training.__wrapped__(copy) == before
    (copy / "models/training.py").write_text(
        (copy / "models/training.py").read_text() + "\nE = 1\n"
    )
    assert source.of_training.__wrapped__(copy) != before


def test_the_network_under_test_is_kept_under_the_source_of_its_training(monkeypatch, tmp_path):
    from saliency_bench.datasets import Digits
    from saliency_bench.models import CNN, Trainer

    digits = Digits().load()
    trainer, labels = Trainer(CNN(), digits, seed=0, cache=tmp_path), digits.train_labels
    before = trainer._keys.weights("model", {}, labels, seed=0)
    assert trainer._keys.weights("model", {}, labels, seed=0) == before
    monkeypatch.setattr(source, "of_training", lambda: "edited")
    assert trainer._keys.weights("model", {}, labels, seed=0) != before
