"""Metrics of localisation and robustness in a run."""

import keras
import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import metrics
from saliency_bench.study.build import Options

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.random((8, 10, 10, 1)).astype(np.float32)
MASKS = np.zeros((8, 10, 10), bool)
for number in range(8):
    MASKS[number, 1 : 4 + number % 3, 2:7] = True
MASKS[7] = False


@pytest.fixture(scope="module")
def model():
    network = keras.Sequential([
        keras.Input((10, 10, 1)), layers.Conv2D(3, 3, activation="relu"), layers.Flatten(),
        layers.Dense(3),
    ])  # fmt: skip
    network.set_weights([RNG.normal(size=w.shape) for w in network.get_weights()])
    return network


def run(model, regions=MASKS, **named):
    return sb.evaluate(
        model, IMAGES, explainers=["gradient", "own_region", "constant", "centre_prior"], checks=(),
        metrics=named, options=Options(regions=regions),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(model):
    return run(
        model, mass=metrics.RelevanceMass(), auc=metrics.LocalizationAUC(), gini=metrics.Gini(),
        sensitivity=metrics.MaxSensitivity(samples=2, matched=False),
    )  # fmt: skip


def rows(found, explainer, metric):
    return found.quality.set_index(["explainer", "metric"]).loc[(explainer, metric)]


def test_the_masks_themselves_are_better_than_chance(found):
    own = rows(found, "own_region", "mass")
    assert own["mean"] == 1
    assert own["verdict"] == "better"
    assert rows(found, "own_region", "auc")["mean"] == 1


def test_chance_is_the_share_of_the_masks_and_a_constant_map_scores_it(found):
    share = MASKS[:7].mean(axis=(1, 2)).mean()
    constant = rows(found, "constant", "mass")
    assert constant["mean"] == pytest.approx(share)
    assert constant["chance"] == pytest.approx(share)
    assert constant["gain"] == pytest.approx(0, abs=1e-12)
    assert rows(found, "constant", "auc")["chance"] == 0.5


def test_an_image_with_an_empty_mask_is_undefined(found):
    assert rows(found, "gradient", "mass")["undefined"] == 1 / 8
    assert rows(found, "gradient", "gini")["undefined"] == 0


def test_maps_made_of_the_masks_stay_where_they_are_when_images_change(found):
    assert rows(found, "own_region", "sensitivity")["mean"] == 0
    assert rows(found, "constant", "sensitivity")["mean"] == 0
    assert rows(found, "gradient", "sensitivity")["mean"] > 0


def test_numbers_without_chance_get_no_verdict(found):
    for metric in ("gini", "sensitivity"):
        assert np.isnan(rows(found, "gradient", metric)["chance"])


def test_without_masks_only_metrics_that_need_none_are_taken(model):
    few = run(model, None, mass=metrics.RelevanceMass(), gini=metrics.Gini())
    verdicts = few.quality.set_index("metric")["verdict"]
    assert set(verdicts["mass"]) == {"not_applicable"}
    assert np.isfinite(rows(few, "gradient", "gini")["mean"])
    assert "it needs masks of the images, and there are none" in str(few.provenance)


def test_masks_that_are_no_mosaics_are_told_in_a_line(model):
    few = run(model, pointing=metrics.GridPointing(), gini=metrics.Gini())
    assert "dataset=mosaic" in str(few.provenance)
