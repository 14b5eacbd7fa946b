"""Metrics that ask a fine-tuned network, and imputers that draw from images, in a whole run."""

import re
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from saliency_bench import Options, Results, evaluate, explainers, metrics, models, network
from saliency_bench.datasets import Npz
from saliency_bench.engine import plan as planning
from saliency_bench.protocols import Dataset, NotTuned, swapped_in
from saliency_bench.randomize import image_keys
from saliency_bench.study.inputs import InputRequest, load_inputs

layers = keras.layers
METRIC = metrics.FFidelity(
    (0.2, 0.4, 0.6, 0.8), samples=4, imputer=metrics.Mean(), epochs=3, learning_rate=0.003
)


def made():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=200)
    pixels = 0.2 * rng.random((200, 8, 8, 1))
    pixels[labels == 0, :4] += 0.8
    pixels[labels == 1, 4:] += 0.8
    pixels = pixels.astype(np.float32)
    return Dataset("stripes", pixels[:40], labels[:40], pixels[40:], labels[40:])


@pytest.fixture(scope="module")
def model(data):
    model = made()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.train_pixels, data.train_labels, epochs=8, verbose=0)
    return model


def run(model, data, cache, **settings):
    tuner = settings.pop("tuner", None) or models.FineTuner(data, cache=cache)
    options = Options(tuner=tuner, **settings.pop("options", {}))
    given = {"metrics": {"ffid": METRIC}, "explainers": ["gradient"], "checks": ()} | settings
    return evaluate(model, data.images, data.labels, options=options, **given)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def results(model, data, cache):
    return run(model, data, cache)


def rows(results, metric="ffid", explainer="gradient"):
    table = results.metrics
    own = table[(table["explainer"] == explainer) & (table["metric"] == metric)]
    return own.reset_index(drop=True)


def test_maps_are_those_of_the_network_and_scores_those_of_the_fine_tuned_one(
    results, model, data, cache
):
    before = [weights.copy() for weights in model.get_weights()]
    own = network.KerasNetwork(model)
    tuned = models.FineTuner(data, cache=cache)(own, METRIC.tuning)
    maps = explainers.Gradient()(model, data.images, data.labels)
    bound, keys = METRIC.bind(model), image_keys(data.images)
    with swapped_in(own, tuned.network, "the fine-tuned network"):
        values = bound(maps, data.images, data.labels, keys=keys)
    np.testing.assert_allclose(rows(results)["value"], values, rtol=1e-4, atol=1e-5)
    assert (np.abs(bound(maps, data.images, data.labels, keys=keys) - values) > 1e-3).any()
    for weights, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, value)


def test_the_accuracies_are_told(results, tmp_path):
    facts = results.provenance["fine_tuned"]["ffid"]
    assert facts["images"] == 40
    assert min(facts["accuracy"]) > 0.9
    text = results.report(tmp_path).read_text()
    assert "ffid asks a fine-tuned network: its accuracy on 40 images is" in text


def test_noise_is_not_better_and_the_oracle_is(results):
    verdicts = results.quality.set_index("explainer")["verdict"]
    assert verdicts["patch_oracle"] == "better"
    assert verdicts["random_fresh"] != "better"
    assert verdicts["constant"] == "undefined"
    assert results.valid


def test_resuming_trains_nothing_and_gives_the_same_numbers(
    results, model, data, cache, tmp_path, monkeypatch
):
    def refuse(*_, **__):
        raise AssertionError("it trains")

    monkeypatch.setattr("saliency_bench.models.fine_tuner.fit", refuse)
    first = run(model, data, cache, options={"run_dir": tmp_path})
    pd.testing.assert_frame_equal(first.metrics, results.metrics)
    cells = sorted(tmp_path.glob("cells/**/*"))
    assert Results.load(tmp_path).provenance["fine_tuned"] == results.provenance["fine_tuned"]
    again = run(model, data, cache, options={"run_dir": tmp_path})
    pd.testing.assert_frame_equal(again.metrics, results.metrics)
    assert sorted(tmp_path.glob("cells/**/*")) == cells


def test_other_metrics_beside_it_ask_the_network_itself(results, model, data, cache, monkeypatch):
    monkeypatch.setattr(planning, "SHARD", 32)
    road = {"road": metrics.ROAD()}
    alone = run(model, data, cache, metrics=road)
    many = run(model, data, cache, metrics=road | {"ffid": METRIC}, options={"cores": 2})
    for column in ("value", "chance"):
        np.testing.assert_array_equal(rows(many, "road")[column], rows(alone, "road")[column])
    np.testing.assert_allclose(rows(many)["value"], rows(results)["value"], rtol=1e-4, atol=1e-5)


def test_another_fine_tuning_is_another_cell(results, model, data, cache, tmp_path):
    one = run(model, data, cache, options={"run_dir": tmp_path})
    other = run(
        model, data, cache,
        tuner=models.FineTuner(data, cache=cache, seed=5), options={"run_dir": tmp_path},
    )  # fmt: skip
    assert (rows(one)["value"] != rows(other)["value"]).any()


def test_without_images_to_train_on_it_does_not_apply(model, data, cache):
    with pytest.raises(ValueError, match=r"^a metric must apply .* ffid: it needs labelled images"):
        run(model, data, cache, tuner=NotTuned())
    both = {"ffid": METRIC, "road": metrics.ROAD()}
    found = run(model, data, cache, tuner=NotTuned(), metrics=both)
    assert "models.FineTuner(dataset)" in found.provenance["metrics_not_applicable"]["ffid"]
    assert rows(found)["status"].tolist() == ["not_applicable"]
    assert len(rows(found, "road")) == 40


def test_a_network_that_was_spoilt_is_not_asked(model, data, cache, tmp_path):
    """It learned that each class is the other one."""
    wrong = models.FineTuner(replace(data, train_labels=1 - data.train_labels), cache=cache)
    asked = replace(METRIC, epochs=10, learning_rate=0.01)
    both = {"ffid": asked, "road": metrics.ROAD()}
    found = run(model, data, cache, metrics=both, tuner=wrong)
    why = found.provenance["metrics_not_applicable"]["ffid"]
    assert re.match(r"the fine-tuned network has accuracy 0\.\d\d where guessing has 0\.\d\d$", why)
    assert f"ffid was not measured: {why}." in found.report(tmp_path).read_text()
    assert found.provenance["fine_tuned"]["ffid"]["accuracy"][1] < 0.5


def request(dataset, model, folder, **settings):
    return InputRequest(
        dataset=dataset, model=lambda trains: model, cache=folder / "cache", trains=False,
        retrains=False, n_images=6, target="predicted", seed=0, **settings,
    )  # fmt: skip


def test_a_run_takes_images_to_train_on_only_for_a_metric_that_asks(data, model, tmp_path):
    model.save(tmp_path / "own.keras")
    saved = models.Saved(str(tmp_path / "own.keras"))
    for name, part in (("test", slice(40)), ("learn", slice(40, None))):
        pixels = np.concatenate([data.pixels, data.train_pixels])[part]
        np.savez(tmp_path / f"{name}.npz", x=pixels, y=np.zeros(len(pixels), int))
    np.savez(tmp_path / "bare.npz", x=data.pixels)
    path = str(tmp_path / "test.npz")
    whole = Npz(path, train_path=str(tmp_path / "learn.npz"))
    inputs = load_inputs(request(whole, saved, tmp_path, learns=True))
    assert isinstance(inputs.tuner, models.FineTuner)
    np.testing.assert_array_equal(inputs.tuner.images, data.train_pixels)
    assert isinstance(load_inputs(request(whole, saved, tmp_path)).tuner, NotTuned)
    bare = load_inputs(request(Npz(str(tmp_path / "bare.npz")), saved, tmp_path, learns=True))
    assert "dataset bare has none: give dataset.train_path" in bare.tuner.reason


SAMPLED = metrics.SymmetricRelevanceGain(
    segments=9, steps=4, imputer=metrics.OtherImages(), draws=2
)


@pytest.mark.parametrize("tuned", [True, False])
def test_an_imputer_draws_from_images_to_train_on_or_from_all_that_are_explained(
    model, data, cache, monkeypatch, tuned
):
    """Whatever shard an image is in."""
    monkeypatch.setattr(planning, "SHARD", 32)
    tuner = models.FineTuner(data, cache=cache) if tuned else NotTuned()
    found = run(model, data, cache, metrics={"sampled": SAMPLED}, tuner=tuner)
    pool = data.train_pixels if tuned else data.pixels
    kind = "160 images to train on" if tuned else "40 explained images"
    assert f"OtherImages(source='{kind}, " in found.provenance["metric_settings"]["sampled"]
    own = SAMPLED.among(pool, "images").bind(model)
    maps = explainers.Gradient()(model, data.images, data.labels)
    values = own(maps, data.images, data.labels, keys=image_keys(data.images))
    np.testing.assert_allclose(rows(found, "sampled")["value"], values, rtol=1e-4, atol=1e-5)
