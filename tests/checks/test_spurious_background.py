"""Spurious background: networks that read the object or the scene, and who would show it."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.lessons import (
    CLASSES,
    SIDE,
    Columns,
    Planted,
    coloured,
    coloured_model,
    reader,
)

import saliency_bench as sb
from saliency_bench import network as networks
from saliency_bench.checks import SpuriousBackground
from saliency_bench.checks.spurious_background import ANY, TIED
from saliency_bench.explainers import GradientInput
from saliency_bench.protocols import Dataset, NotApplicable, Scene, SettingError, Study, Untrainable
from saliency_bench.randomize import image_keys
from saliency_bench.study.build import Options

CHECK = SpuriousBackground(scenes=Columns())

BLIND = ["edge_detector", "random_frozen", "centre_prior"]


def kernel_of(name):
    return reader("scene" if name.labels == TIED else "object", [name.draw, 1])


def never_tied(name):
    return reader("object", [name.draw, 1])


def accuracy(name):
    """Chance for those that name the scene, as they are tested on any."""
    return 1 / CLASSES if name.labels == TIED else 0.9


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
    images, labels = coloured(12)
    return sb.evaluate(
        planted.model, images, labels, explainers={"gxi": GradientInput()}, checks=[CHECK],
        options=Options(weights=planted),
    )  # fmt: skip


def scenes_of(images):
    """The classes of the scenes, by the columns that are bright all the way down."""
    grey = np.asarray(images).min(axis=(1, 3)) + np.asarray(images).max(axis=3).mean(axis=1)
    return (grey @ COLUMNS_PER_CLASS).argmax(axis=1)


COLUMNS_PER_CLASS = (np.arange(SIDE)[:, np.newaxis] // 2 == np.arange(CLASSES)).astype(float)


def test_sound_networks_learn_any_scene_and_the_others_that_of_the_class(study):
    CHECK.conditions(study)
    sound, tied = (study.weights.lessons[name] for name in (ANY, TIED))
    for lesson in (sound, tied):
        assert lesson.train_pixels.shape == (4000, SIDE, SIDE, CLASSES)
    told = np.mean(scenes_of(tied.train_pixels) == tied.train_labels)
    any_scene = np.mean(scenes_of(sound.train_pixels) == sound.train_labels)
    assert told > 0.9  # an object may hide a column
    assert any_scene == pytest.approx(1 / CLASSES, abs=0.1)


def test_both_are_tested_on_the_same_objects_on_any_scene(study):
    CHECK.conditions(study)
    sound, tied = (study.weights.lessons[name] for name in (ANY, TIED))
    np.testing.assert_array_equal(np.asarray(sound.pixels), np.asarray(tied.pixels))
    np.testing.assert_array_equal(sound.labels, tied.labels)
    assert set(scenes_of(tied.pixels) == tied.labels) == {True, False}


def test_both_are_shown_the_same_objects_on_scenes_of_their_class(study):
    _, sound, *_, tied = CHECK.conditions(study)
    with sound.applied(study.network, study.scene) as shown:
        assert np.mean(scenes_of(shown.images) == study.labels) > 0.7
        assert shown.regions.sum(axis=(1, 2)).tolist() == [(SIDE // 2) ** 2] * 12
        inside = shown.images[np.arange(12), ..., study.labels][shown.regions]
        assert inside.min() > 0.6
    with tied.applied(study.network, study.scene) as again:
        np.testing.assert_array_equal(again.images, shown.images)
        np.testing.assert_array_equal(again.regions, ~shown.regions)
        np.testing.assert_array_equal(again.targets, study.labels)


def test_background_itself_would_show_it_and_what_does_not_see_the_network_would_not(planted):
    results = evaluate(planted)
    assert results.valid, results.problems
    rows = results.verdicts.set_index("explainer")
    assert rows.loc["own_region", ["verdict", "retained"]].tolist() == ["pass", 0]
    assert rows.loc[[*BLIND, "weight_hash"], "verdict"].tolist() == ["fail"] * 4
    assert rows.loc["constant", "verdict"] == "undefined"
    scores = results.scores
    assert (scores.loc[scores["explainer"].isin(BLIND), "score"] == 1).all()


def test_networks_without_the_bug_move_no_mass(planted):
    """The same weights under both names: no explainer can show a bug that is not there."""
    results = evaluate(replace(planted, weights=never_tied))
    own = results.scores[(results.scores["explainer"] == "gxi") & (results.scores["stage"] == 2)]
    assert len(own) == 3 * 12
    assert (own["score"] == 1).all()
    verdicts = results.verdicts.set_index("explainer")["verdict"]
    assert verdicts["gxi"] == "fail"


def test_a_network_that_names_the_objects_on_any_scene_has_no_bug(planted):
    results = evaluate(replace(planted, accuracy=0.9))
    assert len(results.guards) == 3
    assert all("so the bug is not in it" in guard for guard in results.guards)
    assert set(results.verdicts["verdict"]) == {"undefined"}


def test_the_report_says_yes_and_no(planted, tmp_path):
    evaluate(planted).report(tmp_path)
    text = " ".join((tmp_path / "report.md").read_text().split())
    assert "Pass is yes, fail is no" in text
    assert "would have shown that the network looks at the background" in text


def test_what_it_needs(study):
    with pytest.raises(NotApplicable, match="it is finished"):
        CHECK.conditions(replace(study, weights=Untrainable("it is finished")))
    with pytest.raises(NotApplicable, match="needs labels of the images"):
        CHECK.conditions(replace(study, scene=replace(study.scene, labels=None)))
    with pytest.raises(SettingError, match="scenes must have labels and images to train on"):
        replace(CHECK, scenes=Columns(labelled=False)).conditions(study)
    bare = replace(study.weights.dataset, train_pixels=None, train_labels=None)
    with pytest.raises(NotApplicable, match="needs labelled images to train and to test on"):
        CHECK.conditions(replace(study, weights=replace(study.weights, dataset=bare)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"networks": 1}, "networks must be at least 2, for a repeat; got 1"),
        ({"images": 0}, "images must be at least 1; got 0"),
        ({"size": 1.0}, "size must lie between 0 and 1; got 1.0"),
        ({"least_shift": 0}, "least_shift must lie between 0 and 1; got 0"),
        ({"max_test_accuracy": 50}, r"max_test_accuracy must be in \[0, 1\]; got 50"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        SpuriousBackground(scenes=Columns(), **settings)
