"""Conditions that are compared with one another, and ceilings that come from twins."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers import numpy_study
from helpers.evidence import MEASURED
from helpers.numpy_study import Gradient, Noisy, require_same

from saliency_bench import engine
from saliency_bench.engine.scoring import Scorer
from saliency_bench.protocols import Expectation, NotApplicable, Scene, Silent
from saliency_bench.results import tables
from saliency_bench.similarities import Spearman
from saliency_bench.storage.store import Store

TWINS = 1


@dataclass(frozen=True)
class Other:
    """Another network altogether, drawn by its seed; compared with others."""

    stage: int
    draw: int
    seed: int
    references: tuple = ()
    destroys: bool = False
    moves_output: bool = True
    depth: float = 1.0

    @property
    def name(self):
        return f"network {self.seed}"

    @contextmanager
    def applied(self, network: Any, scene: Scene) -> Iterator[Scene]:
        before = list(network.model.weights)
        random = np.random.default_rng(self.seed)
        try:
            network.model.weights[:] = [random.standard_normal(w.shape) for w in before]
            yield scene
        finally:
            network.model.weights[:] = before


@dataclass(frozen=True)
class Twins:
    """Three twins, and a stage of three others, each compared with one of them."""

    declares: ClassVar[Expectation] = MEASURED
    trains: ClassVar[bool] = False

    def conditions(self, study):
        marks = [(TWINS, draw) for draw in range(3)]
        twins = [
            Other(TWINS, d, 10 + d, tuple(mark for mark in marks if mark[1] != d), depth=0.0)
            for d in range(3)
        ]
        others = [Other(2, d, 20 + d, (marks[d],)) for d in range(3)]
        return (numpy_study.Repeat(references=(marks[2],)), *twins, *others)

    def expectation(self, study):
        return self.declares


def maps(a_study, seed, explainer):
    """What an explainer says of the network of a seed."""
    bound = explainer.bind(a_study.network.model)
    with Other(0, 0, seed).applied(a_study.network, a_study.scene) as scene:
        return bound(scene.images, scene.targets, keys=scene.keys)


@pytest.fixture
def twins(make_study):
    explainers = {"gradient": Gradient(), "noisy": Noisy()}
    return make_study(
        checks={"twins": Twins()}, explainers=explainers, similarities={"spearman": Spearman()}
    )


def cell(scores, stage, draw):
    rows = scores[(scores["stage"] == stage) & (scores["draw"] == draw)]
    return rows[rows["explainer"] == "gradient"].sort_values("image")


def test_a_twins_score_is_its_mean_similarity_with_the_others(twins, run):
    scores = run(twins).scores
    one, *others = (maps(twins, 10 + draw, Gradient()) for draw in range(3))
    by_hand = np.mean([Spearman()(other, one) for other in others], axis=0)
    np.testing.assert_allclose(cell(scores, TWINS, 0)["score"], by_hand, atol=1e-12)
    np.testing.assert_array_equal(
        cell(scores, TWINS, 0)["ceiling"], cell(scores, TWINS, 0)["score"]
    )


@pytest.mark.parametrize("draw", range(3))
def test_another_network_is_compared_with_its_own_twin_under_that_ones_ceiling(twins, run, draw):
    scores = run(twins).scores
    by_hand = Spearman()(maps(twins, 10 + draw, Gradient()), maps(twins, 20 + draw, Gradient()))
    found = cell(scores, 2, draw)
    np.testing.assert_allclose(found["score"], by_hand, atol=1e-12)
    np.testing.assert_array_equal(found["ceiling"], cell(scores, TWINS, draw)["score"])


def test_the_null_is_that_of_the_twin_with_the_others_maps_of_other_images(twins, run):
    reference, changed = maps(twins, 10, Gradient()), maps(twins, 20, Gradient())
    partners = [np.roll(np.arange(32), -shift) for shift in range(1, 5)]
    by_hand = np.mean([Spearman()(reference[:32], changed[:32][rows]) for rows in partners], axis=0)
    np.testing.assert_allclose(cell(run(twins).scores, 2, 0)["null"][:32], by_hand, atol=1e-12)


def test_every_network_is_explained_once(twins, run):
    run(twins)
    # The repeat, three twins and three others; nobody asked for the untouched maps.
    calls = twins.network.model.calls
    parts = len(calls) // 2 // 7
    assert [calls.count(name) for name in ("Gradient", "Noisy")] == [7 * parts] * 2


@pytest.mark.parametrize("lost", [1, 5, 8, 13])
def test_cells_that_are_missing_are_computed_as_they_were(twins, run, tmp_path, lost):
    whole = run(twins)
    cells = sorted((tmp_path / "run" / "cells").iterdir())
    for path in cells[::lost]:
        path.unlink()
    again = run(twins)
    require_same(again.scores, whole.scores)
    require_same(again.floors, whole.floors)
    assert again.outcome.computed == len(cells[::lost])


def test_two_checks_do_not_mix_up_their_references(make_study, run, twins):
    checks = {"cascade": numpy_study.Cascade(), "twins": Twins()}
    both = run(replace(twins, checks=checks)).scores
    alone = run(twins).scores
    rows = both[both["check"] == "twins"].reset_index(drop=True)
    require_same(rows, alone)


@pytest.mark.parametrize("place", [0.0, 0.5])
def test_the_maps_of_the_repeat_may_be_references(make_study, tmp_path, place):
    """Another process may begin there, so that they are made before their own step comes."""

    @dataclass(frozen=True)
    class Against(numpy_study.Cascade):
        def conditions(self, study):
            later = [numpy_study.Redrawn(1, d, references=((0, 0),)) for d in range(3)]
            return (numpy_study.Repeat(), *later)

    a_study = make_study(5, checks={"against": Against()})
    whole = numpy_study.run(a_study, tmp_path / "whole").scores
    store, steps = Store(tmp_path / "placed"), engine.make_steps(a_study)
    bound, _ = engine.bind(a_study)
    outcome = engine.Loop(a_study, store, bound, Silent(), place=place).run(steps)
    assert not outcome.failed
    require_same(tables.scores(a_study, store, steps, outcome)[0].frame(), whole)


def test_a_reference_that_is_not_there_is_refused(twins):
    @dataclass(frozen=True)
    class Lost(Twins):
        def conditions(self, study):
            return (Other(2, 0, 1, ((TWINS, 5),)),)

    with pytest.raises(ValueError, match=r"compared with conditions of that check; none is at"):
        engine.make_steps(replace(twins, checks={"lost": Lost()}))


def test_a_reference_is_part_of_a_cells_identity(twins):
    @dataclass(frozen=True)
    class Moved(Twins):
        def conditions(self, study):
            first, *rest = super().conditions(study)
            return (first, replace(rest[0], seed=99), *rest[1:])

    keys, moved = (
        {
            (s.condition.stage, s.condition.draw): s.keys["gradient"]
            for s in engine.make_steps(a_study)
        }
        for a_study in (twins, replace(twins, checks={"twins": Moved()}))
    )
    # The moved twin itself, those compared with it, and the one whose floor is taken with it.
    assert {place for place in keys if keys[place] != moved[place]} == {
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
    }


def test_a_check_that_does_not_apply_is_told_and_the_others_go_on(twins):
    @dataclass(frozen=True)
    class Picky(Twins):
        def conditions(self, study):
            raise NotApplicable("no data")

    conditions, refused = engine.families(
        replace(twins, checks={"picky": Picky(), "twins": Twins()})
    )
    assert list(conditions) == ["twins"]
    assert refused == {"picky": "no data"}


class Compared(Spearman):
    """Counts its comparisons of whole shards."""

    calls: ClassVar[list[int]] = []

    def compare(self, reference, changed):
        self.calls.append(len(reference.defined))
        return super().compare(reference, changed)


def test_maps_that_no_change_reaches_are_compared_once(make_study, run):
    comparisons = {}
    for name, explainer in {"gradient": Gradient(), "image": numpy_study.Image()}.items():
        Compared.calls.clear()
        a_study = make_study(explainers={name: explainer}, similarities={"spearman": Compared()})
        whole = run(a_study).scores
        comparisons[name] = len(Compared.calls)
    cells = len(whole.groupby(["stage", "draw"]))
    # Of each cell: itself, four partners, and the draw before, if there is one.
    assert comparisons["gradient"] >= 5 * cells
    # The image's cells are two: without a draw before, and with one that is the same.
    assert comparisons["image"] == 5 + 6
    images = numpy_study.scene(40).images
    scorer = Scorer({"spearman": Spearman()})
    by_hand = scorer.columns(scorer.prepare(images), [scorer.prepare(images)])["spearman"]
    for _, found in whole.groupby(["stage", "draw"]):
        for column in ("score", "null"):
            np.testing.assert_array_equal(found.sort_values("image")[column], by_hand[column])
