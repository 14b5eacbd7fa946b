"""Relative importance: objects on scenes, networks of two tasks, and who passes."""

import pickle
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
from saliency_bench.checks import OnScenes, RelativeImportance
from saliency_bench.checks.relative_importance import OBJECT, RARE, REMOVED, UNNOTICED
from saliency_bench.explainers import Gradient, GradientInput
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

CHECK = RelativeImportance(scenes=Columns(dark=0.2, bright=0.8), common=[1, 0.34])
"""No pixel of a scene is black or white, so that each can change in either direction."""


def kernel_of(name):
    return reader("object" if name.labels == "object" else "scene", [name.draw, len(name.labels)])


def planted_in(folder):
    data = Dataset("colours", *coloured(12), *coloured(30), classes=("a", "b", "c"))
    return Planted(coloured_model(), folder, data, kernel_of)


@pytest.fixture
def planted(tmp_path):
    return planted_in(tmp_path)


@pytest.fixture
def study(planted):
    images, labels = coloured(12)
    scene = Scene(images, labels, image_keys(images), labels=labels)
    network = networks.KerasNetwork(planted.model, batch_size=5)
    return Study(network, scene, {}, {}, {}, labels=labels, weights=planted)


def red(model, images, targets):
    """A map of one colour of the image, which these networks do not tell from the others."""
    return images[..., :1]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    images, labels = coloured(12)
    planted = planted_in(tmp_path_factory.mktemp("planted"))
    return sb.evaluate(
        planted.model, images, labels, checks=[CHECK], options=Options(weights=planted),
        explainers={"gxi": GradientInput(), "gradient": Gradient(), "red": red},
    )  # fmt: skip


def test_object_networks_then_scenes_alone_then_common_objects(study):
    conditions = CHECK.conditions(study)
    found = [(c.stage, c.draw, c.task, c.shown, round(c.depth, 2)) for c in conditions]
    of_scenes = ((REMOVED, "scene alone"), (UNNOTICED, "unnoticed"))
    assert found == [
        (0, 0, "object", "object", 0),
        *((OBJECT, draw, "object", "object", 0) for draw in range(3)),
        *((stage, draw, "scene", shown, 0) for draw in range(3) for stage, shown in of_scenes),
        *((RARE, draw, "scene", "object", 0.34) for draw in range(3)),
        *((RARE + 1, draw, "scene", "object", 1) for draw in range(3)),
    ]
    assert all(c.references == ((OBJECT, c.draw),) for c in conditions if c.stage >= RARE)
    # The scene alone is compared with the same network, which saw the object.
    assert all(c.references == ((RARE + 1, c.draw),) for c in conditions if c.stage == REMOVED)
    last = {c.draw: c.network for c in conditions if c.stage == RARE + 1}
    without = [c for c in conditions if c.stage in (REMOVED, UNNOTICED)]
    assert all(c.network == last[c.draw] for c in without)
    # What is not noticed is compared with the scene alone, under the same network.
    assert all(c.references == ((REMOVED, c.draw),) for c in without if c.stage == UNNOTICED)


def test_each_score_belongs_to_its_stages(study):
    for condition in CHECK.conditions(study):
        own = {REMOVED: "one_minus_idr", UNNOTICED: "iir"}
        assert list(CHECK.measures(condition)) == [own.get(condition.stage, "one_minus_mcs")]
    assert list(CHECK.measures()) == ["one_minus_mcs", "one_minus_idr", "iir"]


def test_lessons_show_objects_on_scenes_with_the_labels_of_their_task(study):
    CHECK.conditions(study)
    lessons = study.weights.lessons
    assert list(lessons) == ["object", "scene (objects on 34%)", "scene"]
    common = np.asarray(lessons["scene"].train_pixels)
    np.testing.assert_array_equal(common, np.asarray(lessons["object"].train_pixels))
    assert common.shape == (4000, SIDE, SIDE, CLASSES)
    rare = lessons["scene (objects on 34%)"]
    colour = np.asarray(rare.train_pixels).sum(axis=(1, 2)).argmax(axis=1)
    np.testing.assert_array_equal(colour, rare.train_labels)  # the object tells the scene


def test_a_condition_lays_the_object_where_its_region_is(study):
    conditions = CHECK.conditions(study)
    of = {c.stage: c for c in conditions if c.draw == 0}
    with of[OBJECT].applied(study.network, study.scene) as objects:
        assert objects.regions.sum(axis=(1, 2)).tolist() == [16] * 12
        np.testing.assert_array_equal(objects.labels, study.labels)
        inside = objects.images[np.arange(12), ..., study.labels][objects.regions]
        assert inside.min() > 0.6
    with of[RARE + 1].applied(study.network, study.scene) as common:
        np.testing.assert_array_equal(common.images, objects.images)
        np.testing.assert_array_equal(common.regions, ~objects.regions)
        np.testing.assert_array_equal(common.labels, study.labels % CLASSES)
    with of[REMOVED].applied(study.network, study.scene) as alone:
        assert alone.regions.all()
        same = alone.images == common.images
        assert same[common.regions].all()
        assert (np.ptp(alone.images, axis=-1) == 0).all()


def test_what_is_not_noticed_lies_where_the_object_was_and_leaves_the_logits(study):
    """The networks are linear and grey to colours, so the colour of an object may stay."""
    of = {c.stage: c for c in CHECK.conditions(study) if c.draw == 0}
    with of[REMOVED].applied(study.network, study.scene) as alone:
        before = study.network.outputs(alone.images)
    with of[UNNOTICED].applied(study.network, study.scene) as found:
        apart = np.linalg.norm(study.network.outputs(found.images) - before, axis=1)
    with of[OBJECT].applied(study.network, study.scene) as objects:
        place = objects.regions
    spread = np.ptp(before, axis=1)
    assert (apart < 0.0101 * spread).all()
    np.testing.assert_array_equal(found.regions, ~place)
    np.testing.assert_array_equal(found.images[~place], alone.images[~place])
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    apart, objects = (
        np.linalg.norm((shown.images - alone.images)[place], axis=1).reshape(12, -1).mean(axis=1)
        for shown in (found, objects)
    )
    assert (apart > 0.3 * objects).all()


def test_what_a_network_notices_is_left_out(study, monkeypatch):
    """Without a step the object itself lies there, which these networks see."""
    monkeypatch.setattr("saliency_bench.checks.objects_on_scenes.STEPS", 0)
    (condition,) = [c for c in CHECK.conditions(study) if (c.stage, c.draw) == (UNNOTICED, 0)]
    with condition.applied(study.network, study.scene) as found:
        assert not found.regions.any()


def test_input_independence_of_maps_whose_rate_is_known(results):
    """A map fixed by image, network or both keeps every image; one of a single colour does not."""
    summary = results.summary[results.summary["similarity"] == "iir"]
    rates = summary[summary["stage"] == UNNOTICED].set_index("explainer")["mean"]
    fixed = ["random_frozen", "centre_prior", "weight_hash", "gradient"]  # of a linear network
    assert (rates[fixed] == 1).all()
    assert rates["red"] < 0.2
    assert rates["edge_detector"] < 1
    assert set(summary["verdict"]) == {""}


def test_the_rarer_the_scenes_of_an_object_the_more_it_matters_to_a_scene_network(
    planted, tmp_path
):
    """Scene networks that read the object in proportion to how much it tells."""
    check = replace(CHECK, common=[0.34, 0.67, 1.0])
    shares = {"scene (objects on 34%)": 0.02, "scene (objects on 67%)": 0.01}

    def reads(name):
        return kernel_of(name) + shares.get(name.labels, 0) * kernel_of(
            NetworkName("object", draw=name.draw)
        )

    images, labels = coloured(12)
    results = sb.evaluate(
        planted.model, images, labels, explainers={"gxi": GradientInput()}, checks=[check],
        options=Options(weights=replace(planted, weights=reads)),
    )  # fmt: skip
    rows = results.summary.query("similarity == 'rmcs'").set_index("explainer")
    assert set(rows["stage"]) == {-1}
    assert rows.loc["gxi", ["mean", "retained", "null", "ceiling"]].tolist() == [1, 1, 0, 1]
    blind = ["edge_detector", "random_frozen", "centre_prior", "own_region"]
    assert (rows.loc[blind, "mean"] == 0).all()
    assert set(rows["verdict"]) == {""}
    assert results.valid, results.problems
    results.report(tmp_path)
    text = " ".join((tmp_path / "report.md").read_text().split())
    assert "is the rank correlation of MCS with the share of the scenes" in text
    loaded = sb.Results.load(tmp_path).summary
    assert (loaded["similarity"] == "rmcs").sum() == len(rows)


def test_two_levels_have_no_order(results):
    assert "rmcs" not in set(results.summary["similarity"])


def test_an_image_that_a_network_names_wrongly_is_left_out(study):
    condition = CHECK.conditions(study)[1]
    wrong = replace(study.scene, labels=np.r_[(study.labels[:2] + 1) % CLASSES, study.labels[2:]])
    with condition.applied(study.network, wrong) as scene:
        assert scene.regions.any(axis=(1, 2)).tolist() == [False] * 2 + [True] * 10


def test_images_left_out_have_no_rows(planted):
    """Object networks that name all objects of the last class wrongly."""

    def worse(name):
        kernel = kernel_of(name)
        return kernel * [1, 1, -1] if name.labels == "object" else kernel

    images, labels = coloured(12)
    results = sb.evaluate(
        planted.model, images, labels, explainers={"gxi": GradientInput()}, checks=[CHECK],
        options=Options(weights=replace(planted, weights=worse)),
    )  # fmt: skip
    scores = results.scores[results.scores["similarity"] == "one_minus_mcs"]
    assert set(labels[scores["image"]]) == {0, 1}
    assert results.summary.query("stage == -1 and similarity == 'one_minus_mcs'")[
        "n_images"
    ].unique().tolist() == [8]


def test_conditions_are_plain_data(study):
    for condition in CHECK.conditions(study):
        assert isinstance(condition, OnScenes)
        assert pickle.loads(pickle.dumps(condition)) == condition
        assert len(repr(condition)) < 1000


def test_the_regions_pass_and_what_does_not_see_the_network_fails_exactly(results):
    assert results.valid, results.problems
    rows = results.verdicts.set_index("explainer")
    assert rows.loc["own_region", ["verdict", "retained"]].tolist() == ["pass", 0]
    blind = ["edge_detector", "random_frozen", "centre_prior", "weight_hash", "random_fresh"]
    assert rows.loc[blind, "verdict"].tolist() == ["fail"] * 5
    assert rows.loc["constant", "verdict"] == "undefined"
    scores = results.scores
    own = scores["explainer"].isin(blind[:3]) & (scores["stage"] >= RARE)
    assert (scores.loc[own, "score"] == 1).all()


def test_each_score_is_in_the_summary_at_its_stages_alone(results):
    summary = results.summary[results.summary["explainer"] == "gxi"]
    stages = {name: sorted(rows["stage"]) for name, rows in summary.groupby("similarity")}
    assert stages == {
        "one_minus_mcs": [-1, 0, 1, 4, 5], "one_minus_idr": [-1, 2], "iir": [-1, 3],
    }  # fmt: skip


def test_the_report_copes_with_it(results, tmp_path):
    results.report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "the object is more important to the map" in " ".join(text.split())


def test_a_network_that_did_not_learn_is_a_guard(study):
    weak = replace(study, weights=replace(study.weights, accuracy=0.5))
    CHECK.conditions(weak)
    guards = CHECK.expectation(weak).guards
    assert len(guards) == 9
    assert guards[3] == (
        "the network of scene (objects on 34%) labels 0 has test accuracy 0.50; at least 0.69 "
        "(min_scene_accuracy) is asked for: check the units of its images and the labels, or "
        "train it for more epochs on more images"
    )


def test_what_it_needs(study):
    with pytest.raises(NotApplicable, match="it is finished"):
        CHECK.conditions(replace(study, weights=Untrainable("it is finished")))
    with pytest.raises(NotApplicable, match="needs labels of the images"):
        CHECK.conditions(replace(study, scene=replace(study.scene, labels=None)))
    with pytest.raises(SettingError, match="scenes must have labels and images to train on"):
        replace(CHECK, scenes=Columns(labelled=False)).conditions(study)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"common": [0.1]}, r"common must lie above 0 and end with 1; got \[0.1\]"),
        ({"common": [0, 1]}, "common must lie above 0 and end with 1"),
        ({"networks": 1}, "networks must be at least 2, for a repeat; got 1"),
        ({"images": 0}, "images must be at least 1; got 0"),
        ({"size": 1.0}, "size must lie between 0 and 1; got 1.0"),
        ({"least_contrast": 0}, "least_contrast must lie between 0 and 1; got 0"),
        ({"min_test_accuracy": 80}, r"min_test_accuracy must be in \[0, 1\]; got 80"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        RelativeImportance(scenes=Columns(), **settings)
