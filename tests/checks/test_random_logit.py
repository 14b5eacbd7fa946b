"""Random logit: which class is explained, and what the logits are without their mean."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import explainers as ex
from saliency_bench import network as networks
from saliency_bench.checks import RandomLogit
from saliency_bench.checks.random_logit import other_classes
from saliency_bench.protocols import NotApplicable, Scene, Study
from saliency_bench.randomize import image_keys
from saliency_bench.similarities import Spearman
from saliency_bench.study.build import Options

KINDS = ("sequential", "functional", "nested", "subclassed", "tf_function")


def study_with(model, images, targets):
    network = networks.KerasNetwork(model, batch_size=5)
    return Study(network, Scene(images, targets, image_keys(images)), {}, {}, {}, seed=7)


@pytest.fixture(scope="module")
def study_of(model_of, images, targets):
    studies = {}

    def make(kind):
        if kind not in studies:
            studies[kind] = study_with(model_of(kind), images, targets)
        return studies[kind]

    return make


@pytest.fixture
def study(study_of):
    return study_of("functional")


def named(study, name, **settings):
    return [c for c in RandomLogit(**settings).conditions(study) if c.name == name]


def targets_under(condition, study):
    with condition.applied(study.network, study.scene) as scene:
        return scene.targets


def test_the_draws_of_an_image_are_all_its_other_classes_and_then_the_same_again():
    keys, targets = np.arange(40), np.arange(40) % 6
    scene = Scene(np.zeros((40, 1, 1, 1), np.float32), targets, keys)
    draws = np.stack([other_classes(scene, 6, seed=0, draw=draw) for draw in range(7)])
    assert all({*column} == {*range(6)} - {t} for column, t in zip(draws.T, targets, strict=True))
    np.testing.assert_array_equal(draws[5:], draws[:2])


def test_a_class_depends_on_the_image_and_the_seed_not_on_the_batch():
    keys, targets = np.arange(40), np.zeros(40, np.int64)
    scene = Scene(np.zeros((40, 1, 1, 1), np.float32), targets, keys)
    whole = other_classes(scene, 10, seed=0, draw=0)
    parts = [other_classes(scene.rows(slice(i, i + 7)), 10, seed=0, draw=0) for i in (0, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:14])
    assert not np.array_equal(other_classes(scene, 10, seed=1, draw=0), whole)
    assert len({*whole}) > 3


def test_each_class_is_drawn_about_as_often():
    """9000 draws of 9 classes: 1000 each, with a standard deviation of 30."""
    keys, targets = np.arange(9000), np.full(9000, 4)
    scene = Scene(np.zeros((9000, 1, 1, 1), np.float32), targets, keys)
    counts = np.bincount(other_classes(scene, 10, seed=3, draw=1), minlength=10)
    assert counts[4] == 0
    assert np.abs(np.delete(counts, 4) - 1000).max() < 150


def test_the_runner_up_is_the_highest_class_besides_the_explained_one(study):
    (condition,) = named(study, "runner-up class")
    scores = study.network.outputs(study.scene.images)
    chosen = targets_under(condition, study)
    for row, target, other in zip(scores, study.scene.targets, chosen, strict=True):
        assert other == max({0, 1, 2} - {target}, key=lambda c: row[c])


def test_the_stages_end_with_the_random_class(study):
    found = RandomLogit(draws=2).conditions(study)
    assert [(c.name, c.stage, c.draw) for c in found] == [
        ("repeat", 0, 0), ("centred logit", 1, 0), ("random, centred", 2, 0),
        ("runner-up class", 3, 0), ("random class", 4, 0), ("random class", 4, 1),
    ]  # fmt: skip
    assert found[2].references == ((1, 0),)
    bare = RandomLogit(centred=False).conditions(study)
    assert {c.name for c in bare} == {"repeat", "runner-up class", "random class"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_centred_logit_is_the_logit_minus_the_mean_of_all(study_of, kind):
    study = study_of(kind)
    before = [variable.numpy() for variable in study.network.model.variables]
    logits = study.network.outputs(study.scene.images)
    (condition,) = named(study, "centred logit")
    with condition.applied(study.network, study.scene) as scene:
        centred = study.network.outputs(scene.images)
        np.testing.assert_array_equal(scene.targets, study.scene.targets)
    np.testing.assert_allclose(centred, logits - logits.mean(1, keepdims=True), atol=1e-5)
    for variable, value in zip(study.network.model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_gradients_of_centred_logits_sum_to_zero_over_the_classes(study):
    (condition,) = named(study, "centred logit")
    bound = ex.Gradient().bind(study.network.model)
    images = study.scene.images
    with condition.applied(study.network, study.scene):
        maps = np.stack([bound(images, np.full(len(images), c)) for c in range(3)])
    np.testing.assert_allclose(maps.sum(0), 0, atol=1e-6 * np.abs(maps).max())


def test_a_convolution_may_make_the_logits(images, targets):
    layers = [keras.layers.Conv2D(4, 1), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((12, 12, 2)), *layers, keras.layers.Softmax()])
    assert named(study_with(model, images, targets % 3), "centred logit")


def test_where_no_layer_makes_the_logits_they_are_left_out_and_the_check_says_so(images, targets):
    given = keras.Input((12, 12, 2))
    scores = keras.layers.Dense(3)(keras.layers.Flatten()(given))
    model = keras.Model(given, keras.layers.LeakyReLU(0.5)(scores))
    study = study_with(model, images, targets)
    assert named(study, "centred logit") == []
    assert "are left out" in RandomLogit().expectation(study).ceiling.caption
    assert "are left out" not in RandomLogit(centred=False).expectation(study).ceiling.caption


@pytest.mark.parametrize("units", [1, 2])
def test_two_classes_have_opposite_maps_so_that_it_does_not_apply(images, units):
    """Two logits -w and w, written or of one unit: the signed correlation is -1, magnitudes 1."""
    given = keras.Input((12, 12, 2))
    hidden = keras.layers.Flatten()(keras.layers.Conv2D(3, 3, activation="relu")(given))
    scores = keras.layers.Dense(1)(hidden)
    if units == 2:
        scores = keras.layers.Concatenate()([-scores, scores])
    study = study_with(keras.Model(given, scores), images, np.zeros(len(images), np.int64))
    with pytest.raises(NotApplicable, match="the model has 2"):
        RandomLogit().conditions(study)
    bound = ex.Gradient().bind(study.network.model)
    one, other = (bound(images, np.full(len(images), c)) for c in (0, 1))
    np.testing.assert_allclose(Spearman(absolute=False)(one, other), -1)
    np.testing.assert_allclose(Spearman()(one, other), 1)


def test_one_draw_at_least():
    with pytest.raises(ValueError, match="draws must be at least 1; got 0"):
        RandomLogit(draws=0)


@pytest.fixture(scope="module")
def results(model_of, rng_images):
    model = model_of("nested")
    blind = {"eigen_cam": ex.EigenCAM(), "fem": ex.FEM(), "activations": ex.Activations()}
    ranks = {"spearman_signed": Spearman(absolute=False), "spearman_abs": Spearman()}
    return sb.evaluate(
        model, rng_images, checks=[RandomLogit()], similarities=ranks,
        explainers=blind | {"gradient": ex.Gradient(), "z_plus": ex.LRP("z_plus")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def rng_images():
    return np.random.default_rng(5).normal(size=(12, 12, 12, 2)).astype(np.float32)


def test_every_control_gets_the_verdict_it_must_get(results):
    assert results.valid, results.problems
    verdicts = results.verdicts.set_index("explainer")
    expected = {
        "edge_detector": "fail", "random_frozen": "fail", "centre_prior": "fail",
        "weight_hash": "fail", "target_hash": "pass", "constant": "undefined",
        "random_fresh": "undefined",
    }  # fmt: skip
    assert verdicts.loc[list(expected), "control"].to_dict() == expected
    assert verdicts.loc[list(expected), "verdict"].to_dict() == expected


def test_maps_without_a_class_keep_all_exactly(results):
    scores = results.scores
    for name in ("eigen_cam", "fem", "activations"):
        own = scores[(scores["explainer"] == name) & (scores["status"] == "ok")]
        np.testing.assert_allclose(own["score"], 1, atol=1e-12)
    verdicts = results.verdicts.set_index("explainer")["verdict"]
    assert {verdicts[name] for name in ("eigen_cam", "fem", "activations")} == {"fail"}


def test_only_a_check_that_names_it_brings_the_hash_of_the_target(model_of, rng_images):
    found = sb.evaluate(
        model_of("nested"), rng_images, explainers=[ex.Gradient()],
        similarities={"rank": Spearman()}, options=Options(draws=1),
    )  # fmt: skip
    assert "target_hash" not in set(found.verdicts["explainer"])


def test_the_target_of_a_condition_is_in_the_scores(results):
    scores = results.scores
    scores = scores[
        scores[["explainer", "similarity"]].eq(["gradient", "spearman_abs"]).all(axis=1)
    ]
    explained = scores[scores["condition"] == "centred logit"].set_index("image")["target"]
    other = scores[scores["condition"] == "random class"]
    assert (other["target"].to_numpy() != explained[other["image"]].to_numpy()).all()
    assert set(other["draw"]) == {0, 1, 2}


def test_conditions_are_told_apart_by_what_they_do(study):
    conditions = RandomLogit().conditions(study)
    assert len({repr(replace(c, name="")) for c in conditions[1:]}) == len(conditions) - 1
