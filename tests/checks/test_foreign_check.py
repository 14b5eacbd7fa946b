"""A check that nobody knows, which changes the target alone: true sentences stand everywhere."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from rich.console import Console

import saliency_bench as sb
from saliency_bench.checks.base import Repeated
from saliency_bench.explainers import Gradient
from saliency_bench.protocols import Expectation, Scene, Study, Words
from saliency_bench.report.text.terminal import verdict_table
from saliency_bench.similarities import Spearman

PASSES = "the map depends on the class that is asked about"
FAILS = "so much of the map does not depend on the class that is asked about"
BREAKS = "another class of the same network is asked about"


@dataclass(frozen=True)
class NextClass:
    """The class behind the explained one."""

    name: str
    stage: int
    draw: int
    depth: float = 1.0
    moves_output: bool = False
    destroys: bool = False
    references: tuple = ()

    @contextmanager
    def applied(self, network: Any, scene: Scene) -> Iterator[Scene]:
        classes = network.outputs(scene.images[:1]).shape[1]
        yield replace(scene, targets=(scene.targets + 1 + self.draw) % classes)


@dataclass(frozen=True)
class AnotherTarget:
    """A check of one's own."""

    declares: ClassVar[Expectation] = Expectation(
        Words(breaks=BREAKS, passes=PASSES, fails=FAILS, kept="of its map", draws="other classes"),
        controls={"EdgeDetector": "fail", "WeightHash": "fail", "Constant": "undefined"},
    )
    trains: ClassVar[bool] = False

    def conditions(self, study: Study) -> tuple:
        return (Repeated(), *(NextClass("next", 1, draw) for draw in range(3)))

    def expectation(self, study: Study) -> Expectation:
        return self.declares


def by_target(model, images, targets):
    """Noise of its own for every class of every image."""
    seeds = zip(images[:, 0, 0, 0], targets, strict=True)
    drawn = (np.random.default_rng([abs(int(1e6 * x)), int(t)]) for x, t in seeds)
    return np.stack([random.normal(size=images.shape[1:3]) for random in drawn])


@pytest.fixture(scope="module")
def results():
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(6),
        ]
    )
    rng = np.random.default_rng(0)
    images = rng.normal(size=(12, 8, 8, 1)).astype(np.float32)
    labels = np.asarray(model(images)).argmax(axis=1)  # a network that is right
    explainers = {"by_target": by_target, "gradient": Gradient()}
    ranks = {"spearman_signed": Spearman(absolute=False), "spearman_abs": Spearman()}
    return sb.evaluate(
        model, images, labels, explainers=explainers, checks=[AnotherTarget()], similarities=ranks
    )


def terminal(results):
    console = Console(width=400, record=True, file=io.StringIO())
    console.print(verdict_table(results, width=400))
    return " ".join(console.export_text().split())


@pytest.fixture(scope="module")
def texts(results, tmp_path_factory):
    """What is said in the terminal, on the page, in the Markdown and in the tables."""
    folder = tmp_path_factory.mktemp("run")
    results.report(folder)
    files = ("report.html", "report.md", "tables/another_target.tex", "tables/another_target.md")
    return {"terminal": terminal(results)} | {n: (folder / n).read_text() for n in files}


def test_its_controls_are_its_own(results):
    controls = results.verdicts.set_index("explainer")["control"]
    assert controls[["edge_detector", "weight_hash", "constant"]].tolist() == [
        "fail", "fail", "undefined",
    ]  # fmt: skip
    assert controls["random_fresh"] == controls["random_frozen"] == ""
    assert results.valid, results.problems


def test_nothing_is_asked_of_a_destroyed_network(results):
    reasons = " ".join(results.verdicts["reason"])
    assert "not at chance" not in reasons
    found = results.verdicts.set_index("explainer")["verdict"]
    assert (found["by_target"], found["weight_hash"]) == ("pass", "fail")


@pytest.mark.parametrize(
    "place",
    ["terminal", "report.html", "report.md", "tables/another_target.tex",
     "tables/another_target.md"],
)  # fmt: skip
def test_every_place_says_what_a_pass_and_a_fail_mean_under_it(texts, place):
    text = " ".join(texts[place].replace("\\", "").split())
    for sentence in (BREAKS, PASSES, FAILS):
        assert sentence in text, place


def test_no_place_says_what_is_true_of_other_checks_only(texts):
    for place, text in texts.items():
        plain = re.sub(r"<[^>]*>", " ", text)
        for wrong in ("weights are redrawn", "the network's weights", "labels that the network",
                      "twins", "cascade", "redrawn network", "trained on random"):  # fmt: skip
            assert wrong not in plain, (place, wrong)


def test_the_map_that_ignores_the_target_is_told_so(texts):
    page = " ".join(re.sub(r"<[^>]*>", " ", texts["report.html"]).split())
    assert f"% [100, 100] of its map: {FAILS}" in page
    assert f"of its map: {PASSES}, which does not make it right" in page


def test_no_file_outside_its_own_knows_its_name():
    package = Path(sb.__file__).parent
    named = [
        path for path in package.rglob("*")
        if path.suffix in (".py", ".jinja", ".yaml") and "another_target" in path.read_text()
    ]  # fmt: skip
    assert named == []


@pytest.mark.parametrize("name", ["param_randomization", "data_randomization"])
def test_neither_does_the_report_know_ours(name):
    report = Path(sb.__file__).parent / "report"
    for path in report.rglob("*.py"):
        assert name not in path.read_text(), path
