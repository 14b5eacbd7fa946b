"""A gate on metrics: what regresses, what improves, what must repeat; baselines keep the values."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import numpy as np
import pytest

from saliency_bench import Options, evaluate
from saliency_bench.compare import compare, freeze
from saliency_bench.metrics.base import Bound, Metric


@dataclass(frozen=True)
class Given(Metric):
    """The numbers that a test gives to the maps of the explainer, 0 to all others."""

    family: ClassVar[Any] = "faithfulness"
    unit: ClassVar[str] = "logit"
    words: ClassVar[str] = "a given number"

    numbers: tuple[float, ...] = field(repr=False, default=())

    def bind(self, model):
        return _Given(self.numbers)

    def moved(self, maps, keys):
        return np.zeros_like(maps)


@dataclass(frozen=True)
class Plain(Given):
    direction: ClassVar[Any] = "lower"
    chance: ClassVar[bool] = False


@dataclass
class _Given(Bound):
    given: tuple[float, ...]

    def numbers(self, given):
        own = np.resize(self.given, len(given.maps)).astype(float)
        return {"value": np.where((given.maps == 7).all(axis=(1, 2, 3)), own, 0.0)}


def sevens(model, images, targets):
    return np.full_like(images, 7)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


def run(model, numbers, metric=Given, images=20, seed=0, folder=None):
    pictures = np.random.default_rng(seed).random((images, 4, 4, 1)).astype(np.float32)
    return evaluate(
        model, pictures, explainers={"mine": sevens}, checks=(),
        metrics={"given": metric(tuple(numbers))}, options=Options(run_dir=folder, cores=1),
    )  # fmt: skip


BASE = 1 + np.linspace(-0.1, 0.1, 20)


def only(baseline, other, **settings):
    comparison = compare(baseline, other, **settings)
    (row,) = comparison.rows
    assert (row.check, row.explainer, row.similarity) == ("quality", "mine", "given")
    return row, comparison


def test_the_same_values_are_the_same(model):
    row, comparison = only(run(model, BASE), run(model, BASE))
    assert (row.outcome, row.moved, row.before, row.after) == ("same", 0.0, "better", "better")
    assert not comparison.regressed


def test_a_lower_gain_is_a_regression_as_a_share_of_the_baseline(model):
    row, comparison = only(run(model, 5 * BASE), run(model, 4 * BASE))
    assert float(row.difference.value) == pytest.approx(-0.2)
    assert row.outcome == "regressed"
    assert row.why.startswith("gain -0.20 [")
    assert row.why.endswith("beyond the tolerance 0.1")
    assert comparison.regressed


def test_a_little_less_within_the_tolerance_is_a_change_of_the_same_network(model):
    row, _ = only(run(model, BASE), run(model, 0.95 * BASE))
    assert row.outcome == "changed"
    row, comparison = only(run(model, BASE), run(model, 0.95 * BASE), changes_allowed=True)
    assert not comparison.regressed


def test_other_images_are_not_paired(model):
    row, _ = only(run(model, BASE), run(model, 1.02 * BASE, seed=1))
    assert row.outcome == "same"
    assert np.isnan(row.moved)
    paired, _ = only(run(model, BASE), run(model, 1.02 * BASE))
    width = [float(r.difference.high - r.difference.low) for r in (row, paired)]
    assert width[0] > 5 * width[1]


def test_where_lower_is_better_more_is_a_regression(model):
    row, _ = only(run(model, BASE, Plain), run(model, 1.5 * BASE, Plain))
    assert (row.outcome, row.before) == ("regressed", "a number")
    assert float(row.difference.value) == pytest.approx(0.5)
    assert float(row.run.value) == pytest.approx(1.5), "as the report shows it"
    row, _ = only(run(model, BASE, Plain), run(model, 0.5 * BASE, Plain))
    assert row.outcome == "changed", "the same network should have given the same numbers"


def test_from_better_to_not_better_is_a_regression_whatever_the_tolerance(model):
    row, _ = only(run(model, BASE), run(model, -BASE), tolerance=0.99)
    assert row.outcome == "regressed"


def test_a_missing_metric_is_missing(model):
    without = evaluate(
        model, np.random.default_rng(0).random((20, 4, 4, 1)).astype(np.float32),
        explainers={"mine": sevens}, checks=(), metrics={"other": Given(tuple(BASE))},
        options=Options(cores=1),
    )  # fmt: skip
    with pytest.raises(ValueError, match="must share a verdict"):
        compare(run(model, BASE), without)


def test_a_baseline_keeps_the_values_and_no_control(model, tmp_path):
    results = run(model, BASE, folder=tmp_path / "run")
    freeze(results, tmp_path / "base")
    written = {path.name for path in (tmp_path / "base").iterdir()}
    assert "metrics.parquet" in written
    assert written.isdisjoint({"curves.parquet", "quality.csv"}), "they are drawn again"
    row, _ = only(tmp_path / "base", tmp_path / "run")
    assert row.outcome == "same"
    row, _ = only(tmp_path / "base", run(model, 0.5 * BASE))
    assert row.outcome == "regressed"


def test_metrics_are_chosen_by_name_as_checks_are(model):
    row, _ = only(run(model, BASE), run(model, BASE), checks=["given"])
    assert row.outcome == "same"
    with pytest.raises(ValueError, match="checks must be of the baseline"):
        compare(run(model, BASE), run(model, BASE), checks=["nothing"])
