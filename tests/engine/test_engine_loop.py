import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from helpers import numpy_study
from helpers.numpy_study import (
    Cascade,
    Gradient,
    Image,
    Method,
    require_same,
    rows_of,
)

from saliency_bench import engine
from saliency_bench.engine import plan as planning
from saliency_bench.engine import references, schedule, scoring, spill
from saliency_bench.protocols import Silent
from saliency_bench.similarities import SSIM, Spearman
from saliency_bench.storage.store import Store

# ---------------------------------------------------------------- order never matters


@pytest.mark.parametrize("name", ["gradient", "noisy", "image"])
def test_numbers_are_the_same_alone_and_together(make_study, run, name):
    together = run(make_study(), "together")
    alone = run(make_study(explainers={name: make_study().explainers[name]}), "alone")
    require_same(rows_of(together.scores, name), alone.scores)
    require_same(rows_of(together.floors, name), alone.floors)


@pytest.mark.parametrize("count", [33, 37, 68, 70])
def test_numbers_do_not_depend_on_the_size_of_shards(make_study, run, monkeypatch, count):
    whole = run(make_study(count), "whole")
    for size in (32, 64):
        monkeypatch.setattr(planning, "SHARD", size)
        parts = run(make_study(count), f"parts{size}")
        require_same(whole.scores, parts.scores)
        require_same(whole.floors, parts.floors)
        require_same(whole.networks, parts.networks)


def test_numbers_do_not_depend_on_order(make_study, run):
    a_study = make_study(checks={"one": Cascade(), "two": Cascade(draws=2)})
    backwards = replace(
        a_study,
        explainers=dict(reversed(a_study.explainers.items())),
        similarities=dict(reversed(a_study.similarities.items())),
        checks=dict(reversed(a_study.checks.items())),
    )
    order = ["check", "explainer", "similarity", "stage", "draw", "image"]
    forth, back = (
        run(s, name).scores.astype({k: str for k in order[:3]}).sort_values(order)
        for s, name in ((a_study, "forth"), (backwards, "back"))
    )
    require_same(forth.reset_index(drop=True), back.reset_index(drop=True))


def test_the_similarity_of_a_measure_does_not_depend_on_the_others(make_study, run):
    both = run(make_study(), "both").scores
    one = run(make_study(similarities={"ssim": SSIM()}), "one").scores
    both = both[both["similarity"] == "ssim"].reset_index(drop=True)
    require_same(both, one)


@pytest.mark.parametrize("count", [1, 2, 5, 31, 33, 64, 1100])
def test_any_number_of_images(make_study, run, count):
    a_study = make_study(
        count, explainers={"gradient": Gradient()}, similarities={"rank": Spearman()}
    )
    result = run(a_study)
    places = [step.condition for step in engine.make_steps(a_study) if step.start == 0]
    assert len(result.scores) == count * len(places)
    assert (result.scores["status"] == "ok").all()
    assert result.scores["null"].notna().all() == (count > 1)
    for _, rows in result.scores.groupby(["stage", "draw"]):
        assert rows["image"].tolist() == list(range(count))
        assert rows["target"].tolist() == a_study.scene.targets.tolist()


def test_null_and_floor_are_those_of_the_maps(make_study, run):
    """Against the measure itself, called on the maps of single conditions."""
    a_study = make_study(40, explainers={"gradient": Gradient()})
    result = run(a_study)
    model, scene, rank = a_study.network.model, a_study.scene, Spearman()
    reference = model.gradient(scene.images, scene.targets)
    maps = []
    for draw in (0, 1):
        with numpy_study.Redrawn(2, draw).applied(a_study.network, scene):
            maps.append(model.gradient(scene.images, scene.targets))
    shown = result.scores.query("similarity == 'spearman' and stage == 2 and draw == 1")
    floors = result.floors.query("similarity == 'spearman' and stage == 2 and draw == 1")
    np.testing.assert_allclose(shown["score"], rank(reference, maps[1]))
    np.testing.assert_allclose(floors["floor"], rank(maps[0], maps[1]))
    others = [rank(reference, maps[1][rows]) for rows in scoring.partners(40)]
    np.testing.assert_allclose(shown["null"], np.mean(others, axis=0))
    assert set(result.floors["draw"]) == {1, 2}


# ---------------------------------------------------------------- what an explainer is given


def test_only_a_stochastic_explainer_gets_other_keys_in_the_repeat(make_study, run):
    scores = run(make_study()).scores.query("stage == 0 and similarity == 'spearman'")
    assert (rows_of(scores, "gradient")["score"] > 0.9999).all()
    assert (rows_of(scores, "noisy")["score"] < 0.9).all()
    given = {}

    @dataclass(frozen=True)
    class Still(Method):
        def explain(self, model, images, targets, keys):
            given.setdefault(type(self), []).append(keys.tolist())
            return images

    @dataclass(frozen=True)
    class Random(Still):
        stochastic = True

    run(make_study(5, explainers={"still": Still(), "random": Random()}), "keys")
    own, other = list(range(5)), list(range(1000, 1005))
    assert given[Still] == [own] * 8
    assert given[Random] == [own, other, *[own] * 6]


def test_an_explainer_that_writes_into_its_arguments_spoils_nobody(make_study, run):
    @dataclass(frozen=True)
    class Vandal(Method):
        def explain(self, model, images, targets, keys):
            images *= 0
            targets += 1
            keys += 1
            return images

    clean = run(make_study(explainers={"image": Image()}), "clean").scores
    spoilt = run(make_study(explainers={"vandal": Vandal(), "image": Image()}), "spoilt").scores
    require_same(rows_of(spoilt, "image"), clean)


def test_an_explainer_is_called_with_whole_blocks(make_study, run, monkeypatch):
    monkeypatch.setattr(planning, "SHARD", 64)
    sizes = []

    @dataclass(frozen=True)
    class Sizes(Method):
        def explain(self, model, images, targets, keys):
            sizes.append(len(images))
            return images

    run(make_study(70, explainers={"sizes": Sizes()}, checks={"one": Cascade(draws=1)}))
    assert Counter(sizes) == {32: 2 * 4, 6: 4}


# ---------------------------------------------------------------- progress, memory, networks


@pytest.mark.parametrize("count", [5, 100])
def test_progress_counts_to_its_total(make_study, run, monkeypatch, count):
    monkeypatch.setattr(planning, "SHARD", 32)
    a_study = make_study(count)
    first = run(a_study)
    shards = len(planning.shards(a_study.scene, 32))
    assert first.progress.steps == first.progress.total == shards * 7 * 4
    assert first.outcome.computed == first.progress.total
    again = run(a_study)
    assert again.progress.steps == again.progress.total == again.outcome.computed == 0
    assert again.progress.ended


@pytest.mark.parametrize("pixels", [1, 2 * 32 * 64 * 3, 10**9])
def test_weights_are_redrawn_once_for_all_explainers_and_shards_of_a_window(
    make_study, run, monkeypatch, pixels
):
    """Windows of one shard, of two, and of all four."""
    monkeypatch.setattr(planning, "SHARD", 32)
    whole = run(make_study(128), "whole")
    monkeypatch.setattr(schedule, "WINDOW_PIXELS", pixels)
    applied = []

    @dataclass(frozen=True)
    class Seen(numpy_study.Redrawn):
        def applied(self, network, scene):
            applied.append((self.stage, self.draw))
            return super().applied(network, scene)

        def __repr__(self):
            return super().__repr__().replace("Seen", "Redrawn")

    @dataclass(frozen=True)
    class Watched(Cascade):
        def conditions(self, study):
            return tuple(Seen(s, d) for s in (1, 2) for d in range(3))

    a_study = make_study(128, checks={"cascade": Watched()})
    parts = run(a_study, "parts")
    rows = whole.scores[whole.scores["stage"] > 0].drop(columns="condition")
    require_same(parts.scores.drop(columns="condition"), rows.reset_index(drop=True))
    windows = -(-4 // max(1, min(4, pixels // (32 * 64 * 3))))
    assert len([place for place, _ in groupby(applied)]) == 6 * windows


def test_what_is_kept_may_be_larger_than_the_memory(make_study, run, monkeypatch):
    monkeypatch.setattr(planning, "SHARD", 32)
    whole = run(make_study(96), "whole")
    monkeypatch.setattr(references, "Shelf", partial(spill.Shelf, 10_000))
    filed = run(make_study(96), "filed")
    require_same(filed.scores, whole.scores)
    require_same(filed.floors, whole.floors)


def test_networks_say_what_the_conditions_did(make_study, run, monkeypatch):
    a_study = make_study(70)
    whole = run(a_study, "whole").networks
    monkeypatch.setattr(planning, "SHARD", 32)
    table = run(a_study).networks
    require_same(table, whole)
    assert table["variables_changed"].tolist() == [0, 1, 1, 1, 2, 2, 2]
    assert not table["input_independent"].any()
    predicted = a_study.network.outputs(a_study.scene.images).argmax(axis=1)
    assert table["accuracy"][0] == np.mean(predicted == a_study.labels)
    unlabelled = run(replace(a_study, labels=None)).networks
    assert unlabelled["accuracy"].isna().all()


def test_a_network_that_ignores_its_input_is_marked(make_study, run):
    @dataclass(frozen=True)
    class Deaf(numpy_study.Redrawn):
        def applied(self, network, scene):
            network.outputs = lambda images: np.tile(np.float32([1, 2, 3]), (len(images), 1))
            return super().applied(network, scene)

    @dataclass(frozen=True)
    class Deafening(Cascade):
        def conditions(self, study):
            return (Deaf(1, 0),)

    table = run(make_study(checks={"deaf": Deafening()})).networks
    assert table["input_independent"].tolist() == [True]


def test_examples_are_the_first_maps_of_a_few_stages(make_study, tmp_path, monkeypatch):
    from saliency_bench.results import tables

    monkeypatch.setattr(planning, "SHARD", 32)
    a_study, store = make_study(70), Store(tmp_path)
    steps = engine.make_steps(a_study)
    bound, _ = engine.bind(a_study)
    outcome = engine.Loop(a_study, store, bound, Silent()).run(steps)
    outcome.failed["image"] = "broken"
    pixels = a_study.scene.images[:3]
    found = tables.examples(a_study, store, steps, outcome, pixels, ["a", "b", "c"])
    maps = found.maps["cascade"]
    assert maps.keys() == {"gradient", "noisy"}
    assert maps["gradient"].keys() == {0, 1, 2}
    expected = a_study.network.model.gradient(pixels, a_study.scene.targets[:3])
    np.testing.assert_array_equal(maps["gradient"][0], expected)
    assert found.conditions["cascade"] == {0: "repeat", 1: "layer 1", 2: "layer 2"}


def test_figures_show_at_most_eight_stages_with_the_first_and_the_last(make_study):
    @dataclass(frozen=True)
    class Long(Cascade):
        def conditions(self, study):
            return tuple(numpy_study.Redrawn(stage, 0) for stage in range(31))

    shown = planning.figure_stages(engine.make_steps(make_study(checks={"long": Long()})))
    stages = sorted(stage for _, stage in shown)
    assert len(stages) == 8
    assert stages[0] == 0
    assert stages[-1] == 30


def test_no_thread_stays_behind(make_study, run):
    before = set(threading.enumerate())  # those of libraries that other tests use
    run(make_study())
    assert set(threading.enumerate()) <= before


def test_a_whole_run_starts_no_tensorflow(tmp_path):
    program = [sys.executable, "-m", "helpers.numpy_study", str(tmp_path)]
    tests = Path(numpy_study.__file__).parents[1]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tests)
    assert done.stdout.strip() == "False", done.stderr
