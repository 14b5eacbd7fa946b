import importlib
import sys
import types
from dataclasses import dataclass, replace

import numpy as np
import pytest
from helpers import numpy_study

from saliency_bench.engine import plan as planning
from saliency_bench.engine.plan import NETWORK, make_steps, shards
from saliency_bench.engine.schedule import remaining_tasks
from saliency_bench.explainers import Function
from saliency_bench.protocols import Scene
from saliency_bench.similarities import Spearman
from saliency_bench.storage import fingerprint


def keys(a_study):
    return [key for step in make_steps(a_study) for key in step.keys.values()]


@pytest.mark.parametrize(
    ("count", "size", "batch_size", "expected"),
    [
        (1, 32, 32, [(0, 1)]),
        (36, 32, 32, [(0, 36)]),
        (37, 32, 32, [(0, 32), (32, 37)]),
        (100, 64, 32, [(0, 64), (64, 100)]),
        (100, 64, 48, [(0, 48), (48, 100)]),
        (100, 64, 50, [(0, 50), (50, 100)]),
        (100, 64, 16, [(0, 64), (64, 100)]),
        (300, 128, 24, [(0, 96), (96, 192), (192, 288), (288, 300)]),
        (200, 32, 96, [(0, 96), (96, 192), (192, 200)]),
        (1100, 1024, 32, [(0, 1024), (1024, 1100)]),
        (1028, 1024, 32, [(0, 1028)]),
    ],
)
def test_shards_are_whole_batches_and_whole_blocks_where_these_fit(
    monkeypatch, count, size, batch_size, expected
):
    monkeypatch.setattr(planning, "SHARD", size)
    assert shards(numpy_study.scene(count), batch_size) == expected


def test_large_images_make_small_shards():
    large = Scene(np.zeros((70, 500, 500, 1), np.float32), *np.zeros((2, 70), np.int64))
    assert shards(large, 32) == [(0, 32), (32, 64), (64, 70)]


def test_steps_go_stage_by_stage_and_draw_by_draw(make_study):
    steps = make_steps(make_study())
    places = [(step.condition.stage, step.condition.draw) for step in steps]
    assert places == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert [step.continues for step in steps] == [False] * 2 + [True] * 2 + [False] + [True] * 2


def test_every_cell_has_its_own_key_and_always_the_same(make_study):
    found = keys(make_study())
    assert len(set(found)) == len(found)
    assert keys(make_study()) == found


@dataclass(frozen=True)
class Seeded(numpy_study.Gradient):
    seed: int = 0


def other_weights(a_study):
    a_study.network.model.weights[0][0, 0] += 1e-9
    return a_study


def other_scene(a_study, name, value):
    array = getattr(a_study.scene, name).copy()
    array[-1] = value
    return replace(a_study, scene=replace(a_study.scene, **{name: array}))


@pytest.mark.parametrize(
    "change",
    [
        other_weights,
        lambda s: replace(s, batch_size=64),
        lambda s: replace(s, settings={"threads": 2}),
        lambda s: other_scene(s, "images", 0.5),
        lambda s: other_scene(s, "targets", 7),
        lambda s: other_scene(s, "keys", 7),
        lambda s: replace(s, scene=s.scene.rows(slice(0, 39))),
    ],
    ids=["weights", "batch_size", "settings", "images", "targets", "keys", "fewer"],
)
def test_whatever_can_change_a_number_changes_every_key(make_study, change):
    assert set(keys(make_study())).isdisjoint(keys(change(make_study())))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: replace(s, similarities={"other": Spearman(absolute=False)}),
        lambda s: replace(s, explainers=dict(reversed(s.explainers.items()))),
        lambda s: replace(s, controls={"image": "fail"}, labels=None),
    ],
    ids=["similarities", "order", "controls"],
)
def test_what_changes_no_number_changes_no_key(make_study, change):
    assert set(keys(make_study())) == set(keys(change(make_study())))


def test_settings_of_an_explainer_change_its_keys_alone(make_study):
    one, other = (
        make_steps(make_study(explainers={"a": Seeded(s), "b": Seeded()})) for s in (1, 2)
    )
    for step, changed in zip(one, other, strict=True):
        assert step.keys["a"] != changed.keys["a"]
        assert step.keys["b"] == changed.keys["b"]


def test_two_arrays_that_print_alike_are_two_settings(make_study):
    @dataclass(frozen=True)
    class Based(numpy_study.Gradient):
        baseline: np.ndarray

    long = np.zeros(5000)
    changed = long.copy()
    changed[2500] = 1e-12
    found = [set(keys(make_study(explainers={"a": Based(array)}))) for array in (long, changed)]
    assert len(found[0] & found[1]) == len(make_steps(make_study()))  # the network's own


def test_an_explainer_known_by_its_address_only_is_never_met_again(make_study):
    class Nameless(numpy_study.Gradient):
        __repr__ = object.__repr__

    a_study = make_study(explainers={"mine": Nameless()})
    first, second = make_steps(a_study), make_steps(a_study)
    assert first[0].keys["mine"] != second[0].keys["mine"]
    assert first[0].keys[NETWORK] == second[0].keys[NETWORK]


OWN = """
from dataclasses import dataclass
from helpers import numpy_study
from saliency_bench.similarities import Spearman

@dataclass(frozen=True)
class Mine(numpy_study.Gradient):
    pass

@dataclass(frozen=True)
class Rank(Spearman):
    pass

def helper(images):
    return images

def function(model, images, targets):
    return helper(images)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Imports a module of the user's own as its text now is."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(text):
        (tmp_path / "engine_own_module.py").write_text(text)
        monkeypatch.delitem(sys.modules, "engine_own_module", raising=False)
        importlib.invalidate_caches()
        return importlib.import_module("engine_own_module")

    return load


@dataclass(frozen=True)
class Wrapped(numpy_study.Gradient):
    base: object


@pytest.mark.parametrize(
    "made", [lambda m: m.Mine(), lambda m: Function(m.function), lambda m: Wrapped(m.Mine())],
    ids=["class", "function", "nested"],
)  # fmt: skip
def test_the_source_of_an_explainer_of_ones_own_is_part_of_its_key(make_study, own, made):
    def step():
        explainers = {"mine": made(module), "gradient": numpy_study.Gradient()}
        return make_steps(make_study(explainers=explainers))[0].keys

    module = own(OWN)
    first = step()
    assert step() == first
    module = own(OWN.replace("images\n", "2 * images\n"))
    edited = step()
    assert edited["mine"] != first["mine"]
    assert edited["gradient"] == first["gradient"]
    assert edited[NETWORK] == first[NETWORK]


def test_the_source_of_a_measure_of_ones_own_is_part_of_its_columns_name_alone(make_study, own):
    names, cells = [], []
    for text in (OWN, OWN.replace("return helper(images)", "return images")):
        a_study = make_study(similarities={"rank": own(text).Rank()})
        names += planning.columns(a_study)
        cells.append(keys(a_study))
    assert names[0] != names[1]
    assert cells[0] == cells[1] == keys(make_study())


def test_a_measure_without_a_file_keeps_its_column_for_as_long_as_it_is_the_same_class():
    first, second = (interactive(OWN) for _ in range(2))
    assert fingerprint.column(first.Rank()) == fingerprint.column(first.Rank())
    assert fingerprint.column(first.Rank()) != fingerprint.column(second.Rank())


def interactive(text):
    """A module as a console or a notebook makes it: without a file."""
    module = types.ModuleType("interactive")
    exec(text, module.__dict__)
    return module


def test_a_function_without_a_file_is_known_by_its_code_and_what_it_calls(make_study):
    first, same, edited = (
        make_steps(make_study(explainers={"mine": Function(interactive(text).function)}))[0].keys[
            "mine"
        ]
        for text in (OWN, OWN, OWN.replace("return images", "return 2 * images"))
    )
    assert first == same != edited


def test_a_class_without_a_file_is_never_met_again(make_study, monkeypatch):
    module = types.ModuleType("interactive")
    monkeypatch.setitem(sys.modules, "interactive", module)
    exec(OWN, module.__dict__)
    a_study = make_study(explainers={"mine": module.Mine()})
    assert make_steps(a_study)[0].keys["mine"] != make_steps(a_study)[0].keys["mine"]


def test_what_is_ours_or_pythons_own_has_no_source_of_its_own():
    assert [fingerprint.source_digest(thing) for thing in (Spearman, str, dict.fromkeys)] == [
        ""
    ] * 3


def test_a_measure_known_by_its_address_only_is_refused(make_study):
    class Nameless(Spearman):
        __repr__ = object.__repr__

    with pytest.raises(ValueError, match="repr must show its settings"):
        make_steps(make_study(similarities={"mine": Nameless()}))


def test_conditions_at_one_place_are_refused(make_study):
    @dataclass(frozen=True)
    class Double(numpy_study.Cascade):
        def conditions(self, study):
            return (*super().conditions(study), numpy_study.Redrawn(1, 0))

    with pytest.raises(ValueError, match="must differ in stage or draw"):
        make_steps(make_study(checks={"double": Double()}))


def test_the_draw_before_a_missing_one_is_explained_but_not_saved(make_study):
    steps = make_steps(make_study(32))
    names = [NETWORK, "gradient"]
    tasks = remaining_tasks(
        steps, names, lambda step, name: step is not steps[3] or name == NETWORK
    )
    assert [(task.step, task.missing, task.floor_only) for task in tasks] == [
        (steps[2], [], ["gradient"]),
        (steps[3], ["gradient"], []),
    ]
    everything = remaining_tasks(steps, names, lambda step, name: False)
    assert [task.names for task in everything] == [names] * len(steps)
    assert remaining_tasks(steps, names, lambda step, name: True) == []
