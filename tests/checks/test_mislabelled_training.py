"""Mislabelled training images: who learned which labels, and who would show it."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.lessons import CLASSES, SIDE, Planted, dataset, images_and_labels, linear_model

import saliency_bench as sb
from saliency_bench import network as networks
from saliency_bench.checks import MislabelledTraining
from saliency_bench.checks.mislabelled_training import ELSEWHERE, OWN, joined, wrong_labels
from saliency_bench.explainers import Gradient
from saliency_bench.protocols import NotApplicable, Preprocessing, Scene, Study, Untrainable
from saliency_bench.randomize import image_keys
from saliency_bench.study.build import Options

BLIND = ["edge_detector", "random_frozen"]


def kernel(draw, sign=1.0):
    random = np.random.default_rng(7)
    common = random.normal(size=(SIDE**2, CLASSES))
    return sign * common + 0.1 * np.random.default_rng(draw).normal(size=common.shape)


def turned(name):
    """Networks with the bug hold the evidence for a class against it."""
    return kernel(name.draw, -1.0 if name.labels == OWN else 1.0)


def untouched(name):
    return kernel(name.draw)


@pytest.fixture
def planted(tmp_path):
    return Planted(linear_model(), tmp_path, dataset(), turned, 0.98)


@pytest.fixture
def study(planted):
    images, labels = images_and_labels(12)
    scene = Scene(images, labels, image_keys(images), labels=labels)
    network = networks.KerasNetwork(planted.model, batch_size=5)
    return Study(network, scene, {}, {}, {}, labels=labels, weights=planted)


def evaluate(planted, **settings):
    images, labels = images_and_labels(12)
    return sb.evaluate(
        planted.model, images, labels, explainers={"gradient": Gradient()},
        checks=[MislabelledTraining()], options=Options(weights=planted, **settings),
    )  # fmt: skip


def test_a_wrong_label_is_another_class_that_the_key_decides():
    labels, keys = np.arange(300) % CLASSES, np.arange(300)
    wrong = wrong_labels(labels, keys, CLASSES)
    assert (wrong != labels).all()
    assert set(zip(labels, wrong, strict=True)) == {
        (a, b) for a in range(CLASSES) for b in range(CLASSES) if a != b
    }
    np.testing.assert_array_equal(wrong_labels(labels[::-1], keys[::-1], CLASSES), wrong[::-1])


def test_of_two_classes_the_wrong_one_is_the_other():
    labels = np.array([0, 1, 1])
    assert wrong_labels(labels, np.arange(3), 2).tolist() == [1, 0, 0]


def test_images_to_explain_join_those_to_train_on(study):
    MislabelledTraining().conditions(study)
    lessons = study.weights.lessons
    assert list(lessons) == [ELSEWHERE, OWN]
    for lesson in lessons.values():
        learned = np.asarray(lesson.train_pixels)
        np.testing.assert_array_equal(learned[:30], study.weights.dataset.train_pixels)
        np.testing.assert_array_equal(learned[30:], study.scene.images)
        np.testing.assert_array_equal(lesson.pixels, study.scene.images)
        np.testing.assert_array_equal(lesson.labels, lesson.train_labels[30:])


@pytest.mark.parametrize(("share", "count"), [(0.1, 12), (0.5, 21)])
def test_as_many_labels_are_wrong_elsewhere_as_with_those_of_the_images(study, share, count):
    MislabelledTraining(share=share).conditions(study)
    elsewhere, wrong = (of.train_labels for of in study.weights.lessons.values())
    truth = np.r_[study.weights.dataset.train_labels, study.labels]
    assert (elsewhere != truth).sum() == (wrong != truth).sum() == count
    assert (elsewhere[30:] == study.labels).all()
    assert (wrong[30:] != study.labels).all()


def test_all_are_asked_for_the_wrong_label(study):
    conditions = MislabelledTraining().conditions(study)
    wrong = study.weights.lessons[OWN].labels
    for condition in conditions:
        with condition.applied(study.network, study.scene) as scene:
            np.testing.assert_array_equal(scene.targets, wrong)
            np.testing.assert_array_equal(scene.labels, study.labels)
            assert scene.images is study.scene.images
    assert [(c.name, c.buggy) for c in conditions if c.draw == 2] == [
        ("other sound networks", False), ("mislabelled", True),
    ]  # fmt: skip


def test_lessons_are_in_display_units(study):
    units = Preprocessing((0.5,), (2.0,))
    data = replace(study.weights.dataset, preprocessing=units)
    shown = replace(study.scene, images=units(study.scene.images))
    planted = replace(study.weights, dataset=data)
    MislabelledTraining().conditions(replace(study, scene=shown, weights=planted))
    found = planted.lessons[ELSEWHERE].pixels
    np.testing.assert_allclose(found, study.scene.images, atol=1e-6)


def test_joined_images_are_read_a_few_at_a_time():
    first, last = (np.random.default_rng(s).random((5, 2, 2, 1), np.float32) for s in (0, 1))
    rows = joined(first, last)
    whole = np.concatenate([first, last])
    assert rows.shape == whole.shape
    np.testing.assert_array_equal(np.asarray(rows), whole)
    np.testing.assert_array_equal(rows[np.array([7, 0, 4, 5])], whole[[7, 0, 4, 5]])
    np.testing.assert_array_equal(rows[9], whole[9])


def test_evidence_that_turns_would_show_it_and_what_never_sees_the_network_would_not(planted):
    results = evaluate(planted)
    assert results.valid, results.problems
    rows = results.verdicts.set_index("explainer")
    assert rows.loc["gradient", "verdict"] == "pass"
    assert rows.loc["gradient", "retained"] < 0
    assert rows.loc["own_region", "verdict"] == "pass"
    assert rows.loc[BLIND, "verdict"].tolist() == ["fail"] * 2
    assert rows.loc[BLIND, "retained"].to_numpy() == pytest.approx(1)
    assert rows.loc["constant", "verdict"] == "undefined"
    scores = results.scores
    assert scores.loc[scores["explainer"].isin(BLIND), "score"].to_numpy() == pytest.approx(1)


def test_networks_that_the_labels_did_not_change_show_nothing(planted):
    results = evaluate(replace(planted, weights=untouched))
    row = results.verdicts.set_index("explainer").loc["gradient"]
    assert row["verdict"] == "fail"
    assert row["retained"] >= 1  # the same weights are closer than two trainings


def test_the_report_copes_with_it(planted, tmp_path):
    evaluate(planted).report(tmp_path)
    text = " ".join((tmp_path / "report.md").read_text().split())
    assert "would have shown that its image was mislabelled in training" in text


def test_a_network_that_did_not_learn_its_labels_is_a_guard(study):
    weak = replace(study, weights=replace(study.weights, accuracy=0.8, trained={}))
    MislabelledTraining().conditions(weak)
    guards = MislabelledTraining().expectation(weak).guards
    assert len(guards) == 6
    assert guards[-1] == (
        "the network of wrong labels 2 has test accuracy 0.80; at least 0.90 "
        "(min_test_accuracy) is asked for: check the units of its images and the labels, or "
        "train it for more epochs on more images"
    )
    MislabelledTraining().conditions(study)
    assert MislabelledTraining().expectation(study).guards == ()


def test_what_it_needs(study):
    check = MislabelledTraining()
    with pytest.raises(NotApplicable, match="it is finished"):
        check.conditions(replace(study, weights=Untrainable("it is finished")))
    with pytest.raises(NotApplicable, match="needs labels of the images"):
        check.conditions(replace(study, scene=replace(study.scene, labels=None)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"share": 0}, "share must lie between 0 and 1; got 0"),
        ({"networks": 1}, "networks must be at least 2, for a repeat; got 1"),
        ({"min_test_accuracy": 90}, r"min_test_accuracy must be in \[0, 1\]; got 90"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        MislabelledTraining(**settings)
