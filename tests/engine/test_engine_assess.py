"""Metrics of the untouched network's maps, in cells: hand arithmetic, resumed, on many cores."""

import threading
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.numpy_study import Counter, Gradient, Image, Method, require_same, study

from saliency_bench import engine
from saliency_bench.engine import plan as planning
from saliency_bench.engine.measuring import ties
from saliency_bench.metrics.base import Bound, Metric
from saliency_bench.protocols import NotApplicable
from saliency_bench.results import assessed
from saliency_bench.storage.store import Store


@dataclass(frozen=True)
class First(Metric):
    """The first pixel of a map; its curve is that pixel times 0, 1 and 2."""

    family: ClassVar[Any] = "complexity"
    unit: ClassVar[str] = "map"
    words: ClassVar[str] = "the first pixel"
    places: ClassVar[tuple[float, ...]] = (0.0, 0.5, 1.0)

    sign: float = 1.0

    def bind(self, model):
        return _First(self.sign)


@dataclass
class _First(Bound):
    sign: float

    def numbers(self, given):
        value = self.sign * given.maps.sum(axis=-1)[:, 0, 0].astype(np.float64)
        return {"value": value, "curve": value[:, None] * [0.0, 1.0, 2.0]}


@dataclass(frozen=True)
class Inside(Metric):
    """The share of the image that its region covers."""

    family: ClassVar[Any] = "localisation"
    unit: ClassVar[str] = "share"
    words: ClassVar[str] = "the share in the region"
    needs_regions: ClassVar[bool] = True
    chance: ClassVar[bool] = False

    def bind(self, model):
        return lambda maps, images, targets, regions, explain, keys: regions.mean(axis=(1, 2))


@dataclass(frozen=True)
class Again(Metric):
    """The largest change of a map when the same image is explained again."""

    family: ClassVar[Any] = "robustness"
    direction: ClassVar[Any] = "lower"
    unit: ClassVar[str] = "map"
    words: ClassVar[str] = "the change"
    chance: ClassVar[bool] = False
    explains: ClassVar[bool] = True

    def bind(self, model):
        def bound(maps, images, targets, *, regions, explain, keys):
            return np.abs(explain(images, targets, keys) - maps).max(axis=(1, 2, 3))

        return bound


@dataclass(frozen=True)
class Refuses(Metric):
    family: ClassVar[Any] = "complexity"
    unit: ClassVar[str] = "map"
    words: ClassVar[str] = "nothing"

    when: str = "bound"

    def bind(self, model):
        if self.when == "bound":
            raise NotApplicable("it needs a fourth dimension")

        def bound(maps, images, targets, **_):
            raise {"asked": NotApplicable("not such maps"), "broken": RuntimeError("no")}[self.when]

        return bound


@dataclass(frozen=True)
class Unbound(Refuses):
    def bind(self, model):
        raise RuntimeError("no such thing")


@dataclass(frozen=True)
class Nameless(Refuses):
    def bind(self, model):
        return Detail()


class Detail(Bound):
    def numbers(self, given):
        return {"something": np.zeros(len(given.maps))}


@dataclass(frozen=True)
class Complex(Refuses):
    def bind(self, model):
        return lambda maps, *_, **__: np.zeros(len(maps), complex)


@dataclass(frozen=True)
class Shrinks(First):
    def moved(self, maps, keys):
        return maps[:-1]


@dataclass(frozen=True)
class Short(Refuses):
    def bind(self, model):
        return lambda maps, *_, **__: np.zeros(len(maps) - 1)


@dataclass
class Assessed:
    values: Any
    curves: Any
    outcome: engine.Outcome
    progress: Counter


def assess(folder, a_study):
    store, progress = Store(folder), Counter()
    bound, outcome = engine.bind(a_study)
    plan = engine.make_assessments(a_study)
    outcome = engine.Assessor(a_study, store, bound, progress, outcome).run(plan)
    values, curves = assessed.metrics(a_study, store, plan, outcome)
    return Assessed(values.frame(), curves.frame(), outcome, progress)


def of(table, explainer, metric):
    rows = table[(table["explainer"] == explainer) & (table["metric"] == metric)]
    return rows.reset_index(drop=True)


def test_every_image_has_its_value_beside_that_of_the_moved_map(tmp_path):
    a_study = study(40, checks={}, metrics={"first": First()})
    found = assess(tmp_path, a_study)
    scene, explainer = a_study.scene, Gradient().bind(a_study.network.model)
    maps = explainer(scene.images, scene.targets)
    rows = of(found.values, "gradient", "first")
    np.testing.assert_array_equal(rows["value"], maps[:, 0, 0, 0].astype(float))
    moved = First().moved(maps, scene.keys)
    np.testing.assert_array_equal(rows["chance"], moved[:, 0, 0, 0].astype(float))
    np.testing.assert_array_equal(rows["image"], np.arange(40))
    np.testing.assert_array_equal(rows["target"], scene.targets)
    assert set(rows["status"]) == {"ok"}
    assert found.progress.steps == found.progress.total == len(a_study.explainers)


def test_curves_are_kept_for_every_image(tmp_path):
    found = assess(tmp_path, study(40, checks={}, metrics={"first": First()}))
    values = of(found.values, "image", "first")["value"]
    curves = of(found.curves, "image", "first")
    np.testing.assert_array_equal(curves["place"], np.tile([0.0, 0.5, 1.0], 40))
    np.testing.assert_array_equal(curves["value"], np.outer(values, [0, 1, 2]).ravel())
    np.testing.assert_array_equal(curves["image"], np.repeat(np.arange(40), 3))


@pytest.mark.parametrize("cores", [2, 5])
def test_values_do_not_depend_on_cores_nor_on_what_stands_beside(tmp_path, monkeypatch, cores):
    monkeypatch.setattr(planning, "SHARD", 32)
    metrics = {"first": First(), "minus": First(-1.0), "again": Again()}
    alone = assess(tmp_path / "alone", study(70, checks={}, metrics={"first": First()}))
    many = assess(tmp_path / "many", study(70, checks={}, metrics=metrics, cores=cores))
    for explainer in ("gradient", "noisy", "image"):
        require_same(of(alone.values, explainer, "first"), of(many.values, explainer, "first"))


def test_a_new_metric_adds_its_own_cells_alone(tmp_path):
    one = assess(tmp_path, study(40, checks={}, metrics={"first": First()}))
    two = assess(tmp_path, study(40, checks={}, metrics={"first": First(), "again": Again()}))
    assert (one.outcome.computed, two.outcome.computed) == (3, 3)
    require_same(of(one.values, "noisy", "first"), of(two.values, "noisy", "first"))


def test_other_settings_and_other_masks_are_other_cells():
    masks = np.zeros((40, 8, 8), bool)
    base = study(40, checks={}, metrics={"first": First()}, regions=masks)
    others = [
        replace(base, metrics={"first": First(2.0)}),
        replace(base, regions=~masks),
        replace(base, regions=None),
    ]
    keys = {engine.make_assessments(one)[0].key for one in (base, *others)}
    assert len(keys) == 4


def test_masks_do_not_change_the_cells_of_checks():
    plain, masked = study(40), study(40, regions=np.ones((40, 8, 8), bool))
    keys = [[step.keys for step in engine.make_steps(one)] for one in (plain, masked)]
    assert keys[0] == keys[1]


def test_regions_reach_the_metric(tmp_path):
    masks = np.random.default_rng(0).random((40, 8, 8)) < 0.3
    found = assess(tmp_path, study(40, checks={}, metrics={"inside": Inside()}, regions=masks))
    rows = of(found.values, "image", "inside")
    np.testing.assert_array_equal(rows["value"], masks.mean(axis=(1, 2)))
    assert rows["chance"].isna().all()


def test_without_regions_a_metric_that_needs_them_does_not_apply(tmp_path):
    found = assess(tmp_path, study(40, checks={}, metrics={"inside": Inside(), "first": First()}))
    assert found.outcome.metrics == {"inside": "it needs masks of the images, and there are none"}
    assert of(found.values, "image", "inside")["status"].tolist() == ["not_applicable"]
    assert len(of(found.values, "image", "first")) == 40


def test_a_metric_may_explain_again(tmp_path):
    found = assess(tmp_path, study(40, checks={}, metrics={"again": Again()}))
    assert (of(found.values, "gradient", "again")["value"] == 0).all()
    assert (of(found.values, "noisy", "again")["value"] == 0).all(), "the noise is keyed"


@dataclass(frozen=True)
class Alone(Method):
    """Fails if two threads are inside at once."""

    busy: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def explain(self, model, images, targets, keys):
        assert self.busy.acquire(blocking=False), "called beside itself"
        try:
            return model.gradient(images, targets)
        finally:
            self.busy.release()


def test_an_explainer_that_is_not_thread_safe_is_explained_again_alone(tmp_path):
    metrics = {"again": Again(), "first": First()}
    a_study = study(40, checks={}, explainers={"alone": Alone()}, metrics=metrics, cores=4)
    found = assess(tmp_path, a_study)
    assert not found.outcome.failed


@pytest.mark.parametrize(
    ("metric", "status"),
    [
        (Refuses(), "not_applicable"),
        (Refuses("asked"), "not_applicable"),
        (Refuses("broken"), "error"),
        (Short(), "error"),
        (Unbound(), "not_applicable"),
        (Nameless(), "error"),
        (Complex(), "error"),
        (Shrinks(), "error"),
    ],
)
def test_a_metric_that_fails_is_a_row_and_the_others_go_on(tmp_path, monkeypatch, metric, status):
    monkeypatch.setattr(planning, "SHARD", 32)
    found = assess(tmp_path, study(70, checks={}, metrics={"fails": metric, "first": First()}))
    assert of(found.values, "image", "fails")["status"].tolist() == [status]
    assert len(of(found.values, "image", "first")) == 70


def test_a_value_that_is_undefined_says_why(tmp_path):
    @dataclass(frozen=True)
    class Half(First):
        def bind(self, model):
            return lambda maps, *_, **__: np.where(np.arange(len(maps)) % 2, np.nan, 1.0)

    class Flat(Image):
        def explain(self, model, images, targets, keys):
            return np.where((keys < 20)[:, None, None, None], np.float32(1), images)

    found = assess(
        tmp_path, study(40, checks={}, explainers={"flat": Flat()}, metrics={"half": Half()})
    )
    statuses = found.values["status"].astype(str).to_numpy()
    assert set(statuses[::2]) == {"ok"}
    assert set(statuses[1:20:2]) == {"constant_reference"}
    assert set(statuses[21::2]) == {"nan"}


def test_the_key_of_each_image_stands_beside_its_value(tmp_path):
    a_study = study(40, checks={}, metrics={"first": First()})
    keys = of(assess(tmp_path, a_study).values, "image", "first")["key"]
    np.testing.assert_array_equal(keys, a_study.scene.keys)


def test_ties_are_counted_over_the_channels():
    maps = np.zeros((3, 2, 2, 2), np.float32)
    maps[1, ..., 0] = [[1, 2], [3, 4]]
    maps[2, ..., 0], maps[2, ..., 1] = [[1, 2], [3, 4]], [[1, 0], [5, 6]]  # sums 2, 2, 8, 10
    np.testing.assert_array_equal(ties(maps), [1.0, 0.0, 0.5])
