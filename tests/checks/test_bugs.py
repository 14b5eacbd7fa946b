"""Sound networks beside those with a bug: what is compared, and whether the bug is there."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from helpers.lessons import CLASSES, SIDE, Planted, dataset, images_and_labels, linear_model

from saliency_bench import network as networks
from saliency_bench.checks import Suspect
from saliency_bench.checks.bugs import Told, require_settings, suspects, unplanted
from saliency_bench.protocols import NetworkName, ProofError, Scene, Study, TrainedNetwork
from saliency_bench.randomize import image_keys


def kernel(name):
    return np.random.default_rng([name.draw, len(name.labels)]).normal(size=(SIDE**2, CLASSES))


@pytest.fixture
def study(tmp_path):
    images, labels = images_and_labels(12)
    scene = Scene(images, labels, image_keys(images), labels=labels)
    planted = Planted(linear_model(), tmp_path, dataset(), kernel)
    network = networks.KerasNetwork(planted.model, batch_size=5)
    return Study(network, scene, {}, {}, {}, labels=labels, weights=planted)


def trained(study, labels):
    return [study.weights(NetworkName(labels, draw=draw)) for draw in range(3)]


def compared(study, **changes):
    sound, foreign = (trained(study, labels) for labels in ("sound", "foreign"))
    changed = replace(study, **changes)
    return suspects(changed, Told(), sound, foreign, name="foreign", foreign=True)


def test_sound_networks_then_each_with_the_bug_against_the_sound_one_of_its_number(study):
    conditions = compared(study)
    assert [(c.stage, c.draw, c.name, c.buggy, c.depth) for c in conditions] == [
        (0, 0, "repeat", False, 0),
        *((1, draw, "other sound networks", False, 0) for draw in range(3)),
        *((2, draw, "foreign", True, 1) for draw in range(3)),
    ]
    assert [c.references for c in conditions] == [
        ((1, 2),), ((1, 1), (1, 2)), ((1, 0), (1, 2)), ((1, 0), (1, 1)),
        ((1, 0),), ((1, 1),), ((1, 2),),
    ]  # fmt: skip


def test_the_oracle_is_told_who_has_the_bug_and_images_stay(study):
    _, sound, *_, foreign = compared(study)
    with sound.applied(study.network, study.scene) as scene:
        assert networks.fingerprint(study.network.model) == sound.network.fingerprint
        assert scene.images is study.scene.images
        assert scene.regions[:, :, : SIDE // 2].all()
        assert not scene.regions[:, :, SIDE // 2 :].any()
        np.testing.assert_array_equal(scene.targets, study.labels)
        regions = scene.regions
    with foreign.applied(study.network, study.scene) as scene:
        np.testing.assert_array_equal(scene.regions, ~regions)
        found = study.network.outputs(scene.images).argmax(axis=1)
        np.testing.assert_array_equal(scene.targets, found)
        np.testing.assert_array_equal(scene.labels, study.labels)
        assert (found != study.labels).any()


def test_each_network_explains_what_it_predicts_if_the_study_does(study):
    sound = compared(study, target="repredict")[1]
    with sound.applied(study.network, study.scene) as scene:
        found = study.network.outputs(scene.images).argmax(axis=1)
        np.testing.assert_array_equal(scene.targets, found)


def test_a_repeat_changes_the_keys_alone(study):
    repeat, _, _, last = compared(study)[:4]
    with repeat.applied(study.network, study.scene) as again:
        assert (again.keys != study.scene.keys).all()
    assert replace(repeat, name=last.name, stage=1, draw=2, repeats=False) == replace(
        last, references=((1, 2),)
    )


def test_only_the_network_under_test_may_leave_the_output_as_it_is(study):
    assert all(condition.moves_output for condition in compared(study))
    own = study.weights(NetworkName())
    alike = replace(own, fingerprint=study.network.fingerprint())
    conditions = suspects(study, Told(), [alike, own], [own], name="bug")
    assert [(c.stage, c.draw) for c in conditions if not c.moves_output] == [(1, 0)]


def test_conditions_are_plain_data(study):
    for condition in compared(study):
        assert isinstance(condition, Suspect)
        assert pickle.loads(pickle.dumps(condition)) == condition
        assert len(repr(condition)) < 1000


def test_weights_that_are_not_those_of_the_training_are_told(study):
    condition = compared(study)[-1]
    with np.load(condition.network.file) as stored:
        values = {name: stored[name] + 1 for name in stored.files}
    np.savez(condition.network.file, **values)
    with (
        pytest.raises(ProofError, match="not those of foreign 2"),
        condition.applied(study.network, study.scene),
    ):
        pass


def network_with(tmp_path, learned, tested):
    return TrainedNetwork("", tmp_path, learned, tested, 0.1, 0.1)


def test_a_network_without_its_bug_is_told(tmp_path):
    names = [NetworkName("bug", draw=draw) for draw in range(3)]
    accuracies = [(0.99, 0.5), (0.94, 0.1), (0.99, 0.51)]
    known = {n: network_with(tmp_path, *a) for n, a in zip(names, accuracies, strict=True)}
    known[NetworkName("sound")] = network_with(tmp_path, 0.0, 1.0)
    assert unplanted(known, "bug", least=0.95, most=0.5) == (
        "the network of bug labels 1 learned 0.94 of its labels; at least 0.95 "
        "(min_train_accuracy) is asked for: train it for more epochs (model.training.epochs), or "
        "with a smaller weight decay",
        "the network of bug labels 2 names 0.51 of the images that its bug must spoil; at most "
        "0.50 (max_test_accuracy) is expected, so the bug is not in it: train it for more "
        "epochs (model.training.epochs), or plant more of the bug",
    )


def test_an_unknown_accuracy_is_no_proof_of_the_bug(tmp_path):
    known = {NetworkName("bug"): network_with(tmp_path, np.nan, np.nan)}
    assert len(unplanted(known, "bug", least=0.95, most=0.5)) == 2


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="networks must be at least 2, for a repeat; got 1"):
        require_settings(1)
    with pytest.raises(ValueError, match=r"max_test_accuracy must be in \[0, 1\]; got 80"):
        require_settings(2, max_test_accuracy=80)
