"""`evaluate` with metrics: alone or beside checks, stored and read, told in words and figures."""

import io
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import pandas as pd
import pytest

from saliency_bench import Options, Results, evaluate
from saliency_bench.metrics import GridPointing, RelevanceMass, RelevanceRank
from saliency_bench.metrics.base import Bound, Metric
from saliency_bench.report.text.sentences import validity
from saliency_bench.report.text.terminal import verdict_table
from saliency_bench.results.merge import merge_runs


@dataclass(frozen=True)
class Centre(Metric):
    """How much of a map lies in the middle row, with a curve of two points."""

    family: ClassVar[Any] = "localisation"
    unit: ClassVar[str] = "share of the map"
    words: ClassVar[str] = "the share of the map in the middle row"
    remark: ClassVar[str] = "A blob in the centre is best at it."
    places: ClassVar[tuple[float, ...]] = (0.0, 1.0)
    beside: ClassVar[Any] = {"edge": "the share of the map in the first row"}
    controls: ClassVar[Any] = {"CentrePrior": "better", "RandomFresh": "not better"}

    def bind(self, model):
        return _Centre()


class _Centre(Bound):
    def numbers(self, given):
        size = np.abs(given.maps).sum(axis=-1)
        rows = size.sum(axis=2) / size.sum(axis=(1, 2))[:, None]
        value = rows[:, rows.shape[1] // 2].astype(np.float64)
        curve = np.stack([np.zeros_like(value), value], axis=1)
        return {"value": value, "curve": curve, "edge": rows[:, 0]}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((9, 9, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


IMAGES = np.random.default_rng(0).random((16, 9, 9, 1)).astype(np.float32)


def run(model, **settings):
    options = Options(draws=3, **settings.pop("options", {}))
    defaults = {
        "explainers": ["gradient", "gradient_input"],
        "metrics": {"centre": Centre()},
        "checks": (),
    }
    return evaluate(model, IMAGES, options=options, **(defaults | settings))


@pytest.fixture(scope="module")
def alone(model):
    return run(model)


@pytest.fixture(scope="module")
def beside(model):
    return run(model, checks="param_randomization", similarities="spearman_signed")


def test_metrics_need_no_check(alone):
    assert alone.valid
    assert alone.verdicts.empty
    assert alone.summary.empty
    prior = alone.quality.set_index("explainer").loc["centre_prior"]
    assert prior["verdict"] == "better"
    assert len(alone.metrics) == 16 * alone.quality["explainer"].nunique()


def test_checks_beside_metrics_change_no_value(alone, beside):
    pd.testing.assert_frame_equal(alone.quality, beside.quality)
    assert not beside.verdicts.empty


def test_neither_checks_nor_metrics_is_an_error(model):
    with pytest.raises(ValueError, match="checks or metrics must name at least one; got none"):
        run(model, metrics=())


def test_results_are_read_back_as_they_were(model, tmp_path):
    results = run(model, options={"run_dir": tmp_path})
    back = Results.load(tmp_path)
    for name in ("quality", "ranks", "metrics", "curves"):
        pd.testing.assert_frame_equal(getattr(results, name), getattr(back, name))
    assert back.provenance["metrics"]["centre"]["words"] == Centre.words
    assert back.provenance["metric_agreement"] == results.provenance["metric_agreement"]


def test_a_damaged_table_of_metrics_is_refused(model, tmp_path):
    run(model, options={"run_dir": tmp_path})
    path = tmp_path / "metrics.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"metrics\.parquet"):
        Results.load(tmp_path)


def marking(row):
    def explain(model, images, targets):
        maps = np.zeros_like(images)
        maps[:, row] = 1
        return maps

    return explain


def test_the_report_says_whether_images_agree_on_the_order(model, tmp_path):
    """Of one explainer there is no order; of two, each image says which is better."""
    question = "Do the images put the explainers in the same order?"
    one = run(model, explainers={"middle": marking(4)})
    assert question not in one.report(tmp_path / "one").read_text()
    two = run(model, explainers={"middle": marking(4), "first": marking(0)})
    assert two.provenance["metric_agreement"] == {"centre": [1, 1, 1]}
    text = two.report(tmp_path / "two").read_text()
    line = next(line for line in text.splitlines() if question in line)
    assert line.replace("\\", "").endswith("over images: centre 1.00 [1.00, 1.00].")


@pytest.mark.parametrize("fixture", ["alone", "beside"])
def test_the_report_tells_all_of_it(request, tmp_path, fixture):
    results = request.getfixturevalue(fixture)
    text = results.report(tmp_path).read_text()
    assert "the share of the map in the middle row (share of the map; higher is better)" in text
    assert "A blob in the centre is best at it." in text
    assert "centre: the share of the map in the first row is: gradient 0." in text
    assert "Localisation: does the map lie where the evidence is?" in text
    assert (tmp_path / "figures/metric_centre.png").stat().st_size > 1000
    assert ("All evidence" in text) == (fixture == "beside")
    assert ('id="scatter"' in (tmp_path / "report.html").read_text()) == (fixture == "beside")
    page = (tmp_path / "report.html").read_text()
    assert "Quality of the maps" in page


def test_a_metric_without_masks_takes_no_explainer_off_the_front(model, tmp_path):
    given = {"centre": Centre(), "again": Centre(), "mass": RelevanceMass()}
    explainers = {"middle": marking(4), "first": marking(0)}
    results = run(model, explainers=explainers, metrics=given)
    text = results.report(tmp_path).read_text()
    board = text.split("## All evidence")[1].splitlines()
    fronts = {name: line for name in explainers for line in board if line.startswith(f"| {name} ")}
    assert fronts["middle"].endswith("| not applicable | yes |")
    assert fronts["first"].endswith("| not applicable |  |")
    assert not any("mass: own_region" in line for line in text.splitlines())


def test_the_terminal_shows_the_table(alone):
    from rich.console import Console

    console = Console(width=120, record=True, file=io.StringIO())
    console.print(verdict_table(alone))
    line = next(row for row in console.export_text().splitlines() if "centre_prior" in row)
    assert line.rstrip().endswith("✓")


def test_regions_must_be_masks_of_the_images(model):
    with pytest.raises(ValueError, match=r"regions must be \(16, 9, 9\), a mask per image.*; got"):
        run(model, options={"regions": np.ones((16, 8, 8), bool)})


def test_a_metric_that_is_no_object_is_refused(model):
    with pytest.raises(ValueError, match=r"metrics must hold metrics or names of conf/; got 3"):
        run(model, metrics={"three": 3})
    with pytest.raises(ValueError, match=r"use Centre\(\)"):
        run(model, metrics={"centre": Centre})


def test_runs_with_different_metrics_merge_into_one(model, tmp_path):
    runs = {"centre": Centre(), "again": Centre()}
    for name, metric in runs.items():
        run(model, metrics={name: metric}, options={"run_dir": tmp_path / name})
    (merged,) = merge_runs([tmp_path / name for name in runs], tmp_path / "both").values()
    whole = run(model, metrics=runs)
    for name in ("quality", "ranks"):
        keys = ["metric", "explainer"]
        tables = [getattr(r, name).sort_values(keys, ignore_index=True) for r in (merged, whole)]
        pd.testing.assert_frame_equal(*tables, check_dtype=False)
    assert len(merged.curves) == len(whole.curves)


def test_a_run_of_metrics_alone_says_that_their_controls_were_asked(alone):
    assert validity(alone) == (
        "The run is valid: none of 2 results of controls speaks against its metric."
    )


def test_controls_on_too_few_images_do_not_say_that_a_run_is_valid(model):
    few = evaluate(
        model, IMAGES[:3], explainers=["gradient"], checks=(), metrics={"centre": Centre()}
    )
    assert set(few.quality["verdict"]) == {"undefined"}
    assert validity(few) == (
        "Nothing speaks against the run, but no control has a result: they are numbers."
    )


def test_metrics_that_refuse_every_explainer_are_no_run(model):
    regions = np.tril(np.ones((9, 9), bool))[None].repeat(len(IMAGES), axis=0)
    rule = "a metric must apply to this study; grid: it needs pictures of n x n images"
    with pytest.raises(ValueError, match=rule):
        run(model, metrics={"grid": GridPointing()}, options={"regions": regions})


def test_where_no_metric_applies_the_reasons_are_one_line(model):
    needs = {"mass": RelevanceMass(), "rank": RelevanceRank()}
    rule = "a metric must apply to this study; mass: it needs masks of the images.*; rank: it"
    with pytest.raises(ValueError, match=rule):
        run(model, metrics=needs)
