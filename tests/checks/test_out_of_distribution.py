"""Out of distribution: networks of another domain, and who would show it."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.lessons import CLASSES, SIDE, Columns, Planted, coloured, coloured_model

import saliency_bench as sb
from saliency_bench import network as networks
from saliency_bench.checks import OutOfDistribution
from saliency_bench.checks.out_of_distribution import OTHER
from saliency_bench.explainers import Gradient
from saliency_bench.protocols import (
    Dataset,
    NetworkName,
    NotApplicable,
    Scene,
    SettingError,
    Study,
    Untrainable,
)
from saliency_bench.randomize import image_keys
from saliency_bench.study.build import Options

CHECK = OutOfDistribution(domain=Columns())

BLIND = ["edge_detector", "random_frozen"]


def kernel_of(name):
    """What networks of a domain share, and a little that each has for itself."""
    shape = (SIDE**2 * CLASSES, CLASSES)
    common = np.random.default_rng(len(name.labels)).normal(size=shape)
    return common + 0.1 * np.random.default_rng([name.draw, len(name.labels)]).normal(size=shape)


def accuracy(name):
    return 0.2 if name.labels == OTHER else 0.9


@pytest.fixture
def planted(tmp_path):
    data = Dataset("colours", *coloured(12), *coloured(30), classes=("a", "b", "c"))
    return Planted(coloured_model(), tmp_path, data, kernel_of, accuracy)


@pytest.fixture
def study(planted):
    images, labels = coloured(12)
    scene = Scene(images, labels, image_keys(images), labels=labels)
    network = networks.KerasNetwork(planted.model, batch_size=5)
    return Study(network, scene, {}, {}, {}, labels=labels, weights=planted)


def evaluate(planted):
    """Of the network under test, which is the first one of its domain."""
    model, images = planted.model, coloured(12)[0]
    own = planted(NetworkName())
    with np.load(own.file) as stored:
        model.set_weights([stored[str(place)] for place in range(2)])
    return sb.evaluate(
        model, images, model.predict(images, verbose=0).argmax(axis=1),
        explainers={"gradient": Gradient()}, checks=[CHECK], options=Options(weights=planted),
    )  # fmt: skip


def test_the_other_domain_is_learned_and_the_own_one_is_tested(study):
    CHECK.conditions(study)
    lesson, data = study.weights.lessons[OTHER], study.weights.dataset
    np.testing.assert_array_equal(lesson.train_pixels, Columns().load().train_pixels)
    np.testing.assert_array_equal(lesson.train_labels, Columns().load().train_labels)
    assert lesson.pixels is data.pixels
    assert lesson.labels is data.labels


def test_networks_of_the_domain_are_the_studys_own(study):
    conditions = CHECK.conditions(study)
    own = [study.weights(NetworkName(draw=draw)) for draw in range(3)]
    assert [c.network for c in conditions if c.stage == 1] == own


def test_each_foreign_network_explains_what_it_predicts(study):
    _, first, *_, foreign = CHECK.conditions(study)
    with first.applied(study.network, study.scene) as scene:
        np.testing.assert_array_equal(scene.targets, study.labels)
    with foreign.applied(study.network, study.scene) as scene:
        found = study.network.outputs(scene.images).argmax(axis=1)
        np.testing.assert_array_equal(scene.targets, found)


def test_unrelated_gradients_would_show_it_and_what_never_sees_the_network_would_not(planted):
    results = evaluate(planted)
    assert results.valid, results.problems
    rows = results.verdicts.set_index("explainer")
    assert rows.loc["gradient", "verdict"] == "pass"
    assert rows.loc["own_region", "verdict"] == "pass"
    assert rows.loc[BLIND, "verdict"].tolist() == ["fail"] * 2
    assert rows.loc["constant", "verdict"] == "undefined"
    scores = results.scores
    assert scores.loc[scores["explainer"].isin(BLIND), "score"].to_numpy() == pytest.approx(1)


def test_a_foreign_network_that_knows_the_images_is_a_guard(study):
    strange = replace(study, weights=replace(study.weights, accuracy=0.9, trained={}))
    CHECK.conditions(strange)
    guards = CHECK.expectation(strange).guards
    assert len(guards) == 3
    assert guards[0].startswith("the network of another domain's labels 0 names 0.90")


def test_a_network_that_knows_its_own_domain_too_little_is_a_guard(study):
    weak = replace(study, weights=replace(study.weights, accuracy=0.4, trained={}))
    CHECK.conditions(weak)
    guards = CHECK.expectation(weak).guards
    assert len(guards) == 3
    assert guards[0] == (
        "the network of true labels 0 has test accuracy 0.40; at least 0.75 "
        "(min_test_accuracy) is asked for: check the units of its images and the labels, or "
        "train it for more epochs on more images"
    )
    CHECK.conditions(study)
    assert CHECK.expectation(study).guards == ()


def test_what_it_needs(study):
    with pytest.raises(NotApplicable, match="it is finished"):
        CHECK.conditions(replace(study, weights=Untrainable("it is finished")))
    with pytest.raises(NotApplicable, match="needs labels of the images"):
        CHECK.conditions(replace(study, scene=replace(study.scene, labels=None)))
    with pytest.raises(SettingError, match="domain must have labels and images to train on"):
        replace(CHECK, domain=Columns(labelled=False)).conditions(study)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"networks": 1}, "networks must be at least 2, for a repeat; got 1"),
        ({"min_test_accuracy": 70}, r"min_test_accuracy must be in \[0, 1\]; got 70"),
        ({"max_test_accuracy": -1}, r"max_test_accuracy must be in \[0, 1\]; got -1"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        OutOfDistribution(domain=Columns(), **settings)
