"""What the study measures of one network: every variant on every map, larger is better."""

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.metric_reliability import measure
from experiments.metric_reliability.variants import SETTINGS
from saliency_bench import explainers, metrics, randomize
from saliency_bench.study.build import Options, build

IMAGES = np.random.default_rng(0).random((6, 9, 9, 1)).astype(np.float32)
REGIONS = np.zeros((6, 9, 9), bool)
REGIONS[:, :4, :4] = True
FAITHFUL = {
    "plain": {"own", "chance"},
    "of explainers": {"retest", "retest chance", "disturbed", "redrawn"},
}


@pytest.fixture(scope="module")
def study():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((9, 9, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(),
         layers.Dense(3)]
    )  # fmt: skip
    return build(
        model, IMAGES, None,
        explainers={"gradient": explainers.Gradient(), "occlusion": explainers.Occlusion(3)},
        checks={}, similarities={},
        metrics={
            "symmetric_relevance_gain": metrics.SymmetricRelevanceGain(segments=9, steps=3),
            "deletion": metrics.Deletion(steps=3),
            "relevance_rank": metrics.RelevanceRank(),
            "max_sensitivity": metrics.MaxSensitivity(samples=2),
        },
        options=Options(regions=REGIONS),
    )  # fmt: skip


@pytest.fixture(scope="module")
def tables(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    before = [variable.numpy() for variable in study.network.model.variables]
    measure.measure(study, folder, threads=2)
    after = [variable.numpy() for variable in study.network.model.variables]
    assert all(map(np.array_equal, before, after))
    return {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}, folder


def values(tables, explainer, metric, variant):
    own = tables[0][explainer]
    return own[(own["metric"] == metric) & (own["variant"] == variant)]["value"].to_numpy()


def test_explainers_have_every_variant_and_controls_what_is_known_of_them(tables):
    found, _ = tables
    assert set(found) == {
        "gradient", "occlusion", "patch_oracle", "own_region", "inverted patch_oracle",
        "inverted own_region", "random_fresh", "random_frozen", "smooth_noise",
    }  # fmt: skip
    for metric in ("symmetric_relevance_gain", "deletion", "relevance_rank"):
        named = {name: set(own[own["metric"] == metric]["variant"]) for name, own in found.items()}
        halves = {"least first", "most first"} if metric.startswith("symmetric") else set()
        every = set.union(*FAITHFUL.values()) | SETTINGS[metric].keys() | halves
        assert named["gradient"] == named["occlusion"] == every
        assert all(own == FAITHFUL["plain"] for name, own in named.items()
                   if name not in ("gradient", "occlusion"))  # fmt: skip
    sensitive = found["gradient"][found["gradient"]["metric"] == "max_sensitivity"]
    assert set(sensitive["variant"]) == {"own", "retest", "radius .05", "not matched", "disturbed"}


def test_values_are_those_of_the_metric_signed_so_that_more_is_better(study, tables):
    maps = explainers.Gradient()(study.network.model, IMAGES, study.scene.targets)
    given = (maps, IMAGES, study.scene.targets)
    for name, sign in (("symmetric_relevance_gain", 1), ("deletion", -1)):
        own = study.metrics[name].bind(study.network.model)(*given, keys=study.scene.keys)
        np.testing.assert_allclose(values(tables, "gradient", name, "own"), sign * own, rtol=1e-4)


def test_the_probability_is_another_output_of_a_network_that_ends_in_logits(study, tables):
    model = study.network.model
    ended = keras.Sequential([*model.layers, keras.layers.Softmax()])
    ended.build((None, 9, 9, 1))
    maps = explainers.Gradient()(model, IMAGES, study.scene.targets)
    own = metrics.Deletion(steps=3, output="probability").bind(ended)(
        maps, IMAGES, study.scene.targets, keys=study.scene.keys
    )
    found = values(tables, "gradient", "deletion", "probability")
    np.testing.assert_allclose(found, -own, rtol=1e-4)
    assert (found >= -1).all()
    assert not np.allclose(found, values(tables, "gradient", "deletion", "own"))


def test_halves_add_up_and_an_inverse_has_minus_the_gain(tables):
    name = "symmetric_relevance_gain"
    oracle, inverse = (values(tables, who, name, "own")
                       for who in ("patch_oracle", "inverted patch_oracle"))  # fmt: skip
    np.testing.assert_allclose(inverse, -oracle, rtol=1e-4, atol=1e-6)
    assert (values(tables, "own_region", "relevance_rank", "own") == 1).all()
    # The inverse of a mask is its complement.
    assert (values(tables, "inverted own_region", "relevance_rank", "own") == 0).all()


def test_chance_is_the_metrics_own_where_it_knows_it(tables):
    np.testing.assert_allclose(values(tables, "gradient", "relevance_rank", "chance"), 16 / 81)
    np.testing.assert_array_equal(
        values(tables, "gradient", "relevance_rank", "retest"),
        values(tables, "gradient", "relevance_rank", "own"),
    )


def test_the_map_of_a_redrawn_network_is_another_one_judged_by_this_network(study, tables):
    model = study.network.model
    variables = [v for block in randomize.blocks(model) for v in block.variables]
    drawn = randomize.redraw(model, variables, seed=0)
    from saliency_bench import network

    with network.swapped(model, variables, drawn):
        maps = explainers.Gradient()(model, IMAGES, study.scene.targets)
    own = study.metrics["deletion"].bind(model)(
        maps, IMAGES, study.scene.targets, keys=study.scene.keys
    )
    np.testing.assert_allclose(values(tables, "gradient", "deletion", "redrawn"), -own, rtol=1e-4)


def test_what_is_there_is_not_measured_again(study, tables, capsys):
    _, folder = tables
    (folder / "occlusion.csv").unlink()
    capsys.readouterr()
    measure.measure(study, folder, threads=1)
    assert capsys.readouterr().out == f"{folder.name}: occlusion\n"
