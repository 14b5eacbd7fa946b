"""Task swap: pairs of images, networks of either side, and who passes."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from helpers.lessons import CLASSES, SIDE, Planted, dataset, images_and_labels, linear_model

import saliency_bench as sb
from saliency_bench import network as networks
from saliency_bench.checks import OneSide, ParameterRandomization, TaskSwap
from saliency_bench.checks.composed import left_half, partners
from saliency_bench.engine import make_steps
from saliency_bench.explainers import Gradient, GradientInput
from saliency_bench.protocols import (
    Dataset,
    NetworkName,
    NotApplicable,
    ProofError,
    Scene,
    Study,
    Untrainable,
)
from saliency_bench.randomize import image_keys
from saliency_bench.storage.store import Store
from saliency_bench.study.build import Options
from saliency_bench.study.estimate import forecast

HALF = left_half((1, SIDE, SIDE, 1)).ravel()


ROWS = np.arange(SIDE * SIDE)[:, np.newaxis] // SIDE


def one_sided(name):
    """A kernel that reads the side of its lesson alone, and names the row that is bright there."""
    random = np.random.default_rng([name.draw, len(name.labels)])
    kernel = 10.0 * (SIDE // 4 + np.arange(CLASSES) == ROWS)  # an image is half as high in a pair
    seen = HALF if name.labels.startswith("left") else ~HALF
    return (kernel + 0.1 * random.normal(size=kernel.shape)) * seen[:, np.newaxis]


@pytest.fixture
def planted(tmp_path):
    return Planted(linear_model(), tmp_path, dataset(), one_sided)


@pytest.fixture
def study(planted):
    images, labels = images_and_labels(12)
    scene = Scene(images, labels, image_keys(images), labels=labels)
    network = networks.KerasNetwork(planted.model, batch_size=5)
    return Study(network, scene, {}, {}, {}, labels=labels, weights=planted)


def evaluate(planted, *checks, **options):
    images, labels = images_and_labels(12)
    explainers = {"gradient": Gradient(), "gxi": GradientInput()}
    return sb.evaluate(
        planted.model, images, labels, explainers=explainers, checks=[TaskSwap(), *checks],
        options=Options(weights=planted, **options),
    )  # fmt: skip


def test_same_side_then_the_other(study):
    conditions = TaskSwap().conditions(study)
    assert [(c.stage, c.draw, c.side, c.name) for c in conditions] == [
        (0, 0, "left", "repeat"),
        *((1, draw, "left", "same object") for draw in range(3)),
        *((2, draw, "right", "other object") for draw in range(3)),
    ]
    assert [c.references for c in conditions[1:]] == [
        ((1, 1), (1, 2)), ((1, 0), (1, 2)), ((1, 0), (1, 1)), ((1, 0),), ((1, 1),), ((1, 2),),
    ]  # fmt: skip


def test_both_lessons_show_the_same_pairs_with_the_labels_of_their_side(study):
    TaskSwap(pairs=50).conditions(study)
    left, right = (study.weights.lessons[f"{side} object"] for side in ("left", "right"))
    for ours, others in ((left.pixels, right.pixels), (left.train_pixels, right.train_pixels)):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(others))
    assert left.train_pixels.shape == (50, SIDE, SIDE, 1)
    assert (left.train_labels != right.train_labels).any()
    # Of a bright row in the upper half of a side, the class is the place.
    for lesson, half in ((left, slice(None, 4)), (right, slice(4, None))):
        side = np.asarray(lesson.train_pixels)[:, 2:6, half].mean(axis=(2, 3))
        assert (side.argmax(axis=1)[lesson.train_labels < CLASSES] == lesson.train_labels).all()


def test_a_condition_shows_pairs_and_asks_for_its_side(study):
    conditions, scene = TaskSwap().conditions(study), study.scene
    before = networks.fingerprint(study.network.model)
    with conditions[1].applied(study.network, scene) as left:
        assert networks.fingerprint(study.network.model) == conditions[1].network.fingerprint
        np.testing.assert_array_equal(left.targets, scene.labels)
        assert left.regions[:, :, :4].all()
        assert not left.regions[:, :, 4:].any()
    with conditions[4].applied(study.network, scene) as right:
        np.testing.assert_array_equal(right.targets, scene.labels[partners(12)])
        np.testing.assert_array_equal(right.labels, right.targets)
        np.testing.assert_array_equal(right.images, left.images)
        np.testing.assert_array_equal(right.keys, scene.keys)
        np.testing.assert_array_equal(right.regions, ~left.regions)
    assert networks.fingerprint(study.network.model) == before


def test_predicted_classes_are_those_of_the_network_in_force(study):
    condition = TaskSwap().conditions(replace(study, target="predicted"))[-1]
    with condition.applied(study.network, study.scene) as scene:
        np.testing.assert_array_equal(
            scene.targets, study.network.outputs(scene.images).argmax(axis=1)
        )
        np.testing.assert_array_equal(scene.labels, study.scene.labels[partners(12)])


def test_a_repeat_changes_the_keys_alone(study):
    repeat, first = TaskSwap().conditions(study)[:2]
    with repeat.applied(study.network, study.scene) as again:
        assert (again.keys != study.scene.keys).all()
    with first.applied(study.network, study.scene) as once:
        np.testing.assert_array_equal(once.images, again.images)


def test_conditions_are_plain_data(study):
    for condition in TaskSwap().conditions(study):
        assert isinstance(condition, OneSide)
        assert pickle.loads(pickle.dumps(condition)) == condition


def test_weights_that_are_not_those_of_the_training_are_told(study):
    condition = TaskSwap().conditions(study)[-1]
    with np.load(condition.network.file) as stored:
        values = {name: stored[name] + 1 for name in stored.files}
    np.savez(condition.network.file, **values)
    with (
        pytest.raises(ProofError, match="not those of other object 2"),
        condition.applied(study.network, study.scene),
    ):
        pass


def test_a_gradient_of_networks_that_see_one_side_moves_all_of_its_mass(planted):
    results = evaluate(planted)
    assert results.valid, results.problems
    rows = results.verdicts.set_index("explainer")
    assert rows.loc[["gradient", "gxi", "own_region"], "verdict"].tolist() == ["pass"] * 3
    assert rows.loc["gradient", "retained"] == pytest.approx(0, abs=1e-6)
    blind = ["edge_detector", "random_frozen", "centre_prior", "weight_hash", "random_fresh"]
    assert rows.loc[blind, "verdict"].tolist() == ["fail"] * 5
    assert rows.loc["constant", "verdict"] == "undefined"


def test_a_map_of_the_input_alone_keeps_exactly_all(planted):
    scores = evaluate(planted).scores
    for control in ("edge_detector", "random_frozen", "centre_prior"):
        assert (scores.loc[scores["explainer"] == control, "score"] == 1).all(), control


def test_the_accuracy_is_that_of_the_side(planted):
    assert evaluate(planted).networks["accuracy"].tolist() == [1.0] * 7


def test_beside_another_check_each_has_its_own_scores(planted):
    results = evaluate(planted, ParameterRandomization(draws=2))
    found = {check: set(rows["similarity"]) for check, rows in results.scores.groupby("check")}
    assert found == {
        "task_swap": {"mass_kept"},
        "param_randomization": {"spearman_signed", "spearman_abs", "ssim", "hog"},
    }
    assert results.provenance["thresholds"]["mass_kept"] == pytest.approx(0.9)
    own = results.networks.query("check == 'param_randomization' and stage == 0")["accuracy"]
    assert results.provenance["accuracy"] == own.item() != 1
    alone = evaluate(planted).scores
    together = results.scores[results.scores["check"] == "task_swap"]
    np.testing.assert_array_equal(alone["score"], together["score"])


def test_a_run_is_resumed_and_read_back(planted, tmp_path):
    first = evaluate(planted, run_dir=tmp_path / "run")
    cells = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").rglob("*.npz")}
    assert cells
    again = evaluate(planted, run_dir=tmp_path / "run")
    assert {path: path.stat().st_mtime_ns for path in cells} == cells
    read = sb.Results.load(tmp_path / "run")
    for other in (again, read):
        np.testing.assert_array_equal(other.scores["score"], first.scores["score"])
        assert other.verdicts["verdict"].tolist() == first.verdicts["verdict"].tolist()
    first.report(tmp_path / "run")
    pictures = sb.Results.load(tmp_path / "run").examples.pictures("task_swap")
    np.testing.assert_array_equal(pictures, first.examples.pictures("task_swap"))


@pytest.mark.parametrize("batch_size", [3, 64])
def test_batches_do_not_change_the_pairs(planted, batch_size):
    scores, others = (evaluate(planted, batch_size=b).scores["score"] for b in (32, batch_size))
    np.testing.assert_allclose(scores, others, atol=1e-4)


def test_its_cost_is_told_beforehand(study, tmp_path):
    whole = replace(
        study, explainers={"gradient": Gradient()}, checks={"task_swap": TaskSwap()},
    )  # fmt: skip
    steps = make_steps(whole)
    found = forecast(whole, Store(tmp_path / "run"), steps)
    assert found.cells == 2 * 7
    assert [method.images for method in found.methods] == [7 * 12]


def test_other_images_are_shown_in_the_figures(planted):
    examples = evaluate(planted).examples
    pictures = examples.pictures("task_swap")
    assert pictures.shape == examples.pixels.shape
    assert (pictures[:, :2] == 0).all()
    assert examples.title("task_swap", 1) == "image 1"


def test_a_network_that_did_not_learn_is_a_guard(study):
    weak = replace(study, weights=replace(study.weights, accuracy=0.5))
    TaskSwap().conditions(weak)
    guards = TaskSwap().expectation(weak).guards
    assert len(guards) == 6
    assert guards[0] == (
        "the network of left object labels 0 has test accuracy 0.50; at least 0.81 "
        "(min_test_accuracy) is asked for: check the units of its images and the labels, or "
        "train it for more epochs on more images"
    )


def test_networks_that_learned_their_side_are_no_guard(study):
    TaskSwap().conditions(study)
    assert TaskSwap().expectation(study).guards == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": Untrainable("it is finished")}, "it is finished"),
        ({"scene": None}, "needs labels of the images"),
    ],
)
def test_what_it_needs(study, changes, words):
    if "scene" in changes:
        changes = {"scene": replace(study.scene, labels=None)}
    with pytest.raises(NotApplicable, match=words):
        TaskSwap().conditions(replace(study, **changes))


def test_images_to_train_on_are_needed(study):
    bare = replace(study.weights.dataset, train_pixels=None, train_labels=None)
    with pytest.raises(NotApplicable, match="needs labelled images to train and to test on"):
        TaskSwap().conditions(replace(study, weights=replace(study.weights, dataset=bare)))
    assert isinstance(bare, Dataset)
    assert NetworkName("left object").variant == "left object labels"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"networks": 1}, "networks must be at least 2, for a repeat; got 1"),
        ({"pairs": 0}, "pairs must be at least 1; got 0"),
        ({"least_shift": 1.0}, "least_shift must lie between 0 and 1; got 1.0"),
        ({"min_test_accuracy": 80}, r"min_test_accuracy must be in \[0, 1\]; got 80"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        TaskSwap(**settings)
