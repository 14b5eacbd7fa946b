"""Data randomization: which networks are compared with which, and what a verdict asks of them."""

import pickle
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from saliency_bench import network as networks
from saliency_bench.checks import DataRandomization, Repeated
from saliency_bench.checks.data_randomization import TWINS
from saliency_bench.protocols import (
    NetworkName,
    NotApplicable,
    ProofError,
    Scene,
    Study,
    TrainedNetwork,
    Untrainable,
)
from saliency_bench.randomize import image_keys

CURVE = DataRandomization(fractions=[1, 0.25])


@dataclass
class Drawn:
    """Networks with drawn weights in the place of trained ones; keeps what was asked for."""

    model: Any
    folder: object
    train: float = 1.0
    true: float = 0.9
    random: float = 0.1
    base: float = 0.1
    seen: float = 0.0

    regularizers = ()

    def __post_init__(self):
        self.trained = {}
        self.own = [variable.numpy() for variable in self.model.variables]

    def prepare(self, names):
        """They are drawn when they are asked for."""

    def __call__(self, name):
        if name not in self.trained:
            self.trained[name] = self.made(name)
        return self.trained[name]

    def made(self, name):
        shift = 0 if name == NetworkName() else 1 + name.draw + 10 * name.fraction
        values = {str(i): value + np.float32(shift) for i, value in enumerate(self.own)}
        file = self.folder / f"{name}.npz"
        np.savez(file, **values)
        for variable, value in zip(self.model.variables, values.values(), strict=True):
            variable.assign(value)
        print_of_it = networks.fingerprint(self.model)
        for variable, value in zip(self.model.variables, self.own, strict=True):
            variable.assign(value)
        tested = self.true if name.labels == "true" else self.random
        return TrainedNetwork(
            print_of_it, file, self.train, tested, self.base, self.base, self.seen
        )


@pytest.fixture
def study(model_of, images, targets, tmp_path):
    model = model_of("functional")
    scene = Scene(images, targets, image_keys(images))
    network = networks.KerasNetwork(model, batch_size=5)
    weights = Drawn(model, tmp_path)
    return Study(network, scene, {}, {}, {}, labels=targets, weights=weights, seed=7)


def at(conditions, stage):
    return [condition for condition in conditions if condition.stage == stage]


def test_twins_then_levels_of_corruption(study):
    conditions = CURVE.conditions(study)
    assert [(c.stage, c.draw, c.depth) for c in conditions] == [
        (0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 2, 0),
        (2, 0, 0.25), (2, 1, 0.25), (2, 2, 0.25), (3, 0, 1), (3, 1, 1), (3, 2, 1),
    ]  # fmt: skip
    names = {c.stage: c.name for c in conditions}
    assert names == {
        0: "repeat", 1: "twin, true labels", 2: "25 % permuted labels", 3: "permuted labels",
    }  # fmt: skip


def test_networks_of_two_kinds_are_trained_before_anything_is_compared(study):
    DataRandomization().conditions(study)
    assert set(study.weights.trained) == {
        *(NetworkName(draw=draw) for draw in range(3)),
        *(NetworkName("permuted", 1.0, draw) for draw in range(3)),
    }


def test_a_true_network_is_compared_with_its_twins_a_random_one_with_one_true_one(study):
    conditions = CURVE.conditions(study)
    twins = [(TWINS, draw) for draw in range(3)]
    for condition in at(conditions, TWINS):
        assert condition.references == tuple(twin for twin in twins if twin[1] != condition.draw)
    for stage in (2, 3):
        assert [c.references for c in at(conditions, stage)] == [(twin,) for twin in twins]


def test_the_repeat_is_of_the_network_under_test_which_is_the_last_twin(study):
    conditions = DataRandomization().conditions(study)
    assert conditions[0] == Repeated(references=((TWINS, 2),))
    own = [c.network.fingerprint == study.network.fingerprint() for c in at(conditions, TWINS)]
    assert own == [False, False, True]
    assert [c.moves_output for c in at(conditions, TWINS)] == [True, True, False]


def test_a_condition_puts_in_its_weights_and_takes_them_out_again(study):
    model = study.network.model
    before = [variable.numpy().copy() for variable in model.variables]
    for condition in DataRandomization().conditions(study)[1:]:
        with condition.applied(study.network, study.scene) as scene:
            assert networks.fingerprint(model) == condition.network.fingerprint
            changed = study.network.evidence()["variables_changed"]
            assert changed == (len(before) if condition.moves_output else 0)
            np.testing.assert_array_equal(scene.images, study.scene.images)
        for variable, value in zip(model.variables, before, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)


def test_repredict_explains_what_each_network_predicts(study):
    conditions = DataRandomization().conditions(replace(study, target="repredict"))
    with conditions[-1].applied(study.network, study.scene) as scene:
        predicted = study.network.outputs(scene.images).argmax(axis=1)
        np.testing.assert_array_equal(scene.targets, predicted)


def test_conditions_are_plain_data_and_their_identity_is_the_weights_not_their_place(study):
    condition = DataRandomization().conditions(study)[-1]
    assert pickle.loads(pickle.dumps(condition)) == condition
    moved = replace(condition.network, file=condition.network.file.with_name("elsewhere.npz"))
    assert repr(replace(condition, network=moved)) == repr(condition)
    assert condition.network.fingerprint in repr(condition)


def test_weights_that_are_not_those_of_the_training_are_refused(study):
    own = study.weights(NetworkName())
    study.weights.trained[NetworkName()] = replace(own, fingerprint="another")
    with pytest.raises(ValueError, match="the model must be the one that its training gives"):
        DataRandomization().conditions(study)


def test_a_damaged_file_of_weights_is_no_silent_change(study):
    condition = DataRandomization().conditions(study)[-1]
    same = {str(i): v.numpy() for i, v in enumerate(study.network.model.variables)}
    np.savez(condition.network.file, **same)
    with (
        pytest.raises(ProofError, match="are not those of"),
        condition.applied(study.network, study.scene),
    ):
        pass


def test_without_training_data_the_check_does_not_apply(study):
    without = replace(study, weights=Untrainable("no data"))
    with pytest.raises(NotApplicable, match="no data"):
        DataRandomization().conditions(without)


# ---------------------------------------------------------------- what a verdict asks for


def guards(study, **accuracies):
    weights = replace(study.weights, **accuracies)
    return DataRandomization().expectation(replace(study, weights=weights)).guards


def test_good_networks_trip_no_guard(study):
    promise = DataRandomization().expectation(study)
    assert (promise.ceiling.stage, promise.statistic, promise.no_verdict) == (TWINS, "last", "")
    assert promise.learned == 0.95
    assert promise.guards == ()


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ({"train": 0.94}, "permuted labels 0 learned 0.94 of its labels; at least 0.95"),
        ({"random": 0.21}, "permuted labels 0 has test accuracy 0.21; at most 0.19"),
        ({"true": 0.69}, "true labels 1 has test accuracy 0.69; at least 0.7"),
        ({"train": np.nan}, "learned nan"),
        ({"random": np.nan, "true": np.nan}, "test accuracy nan"),
    ],
)
def test_guards_trip_on_networks_that_prove_nothing(study, accuracies, words):
    lines = guards(study, **accuracies)
    assert len(lines) in (3, 6)
    assert len(set(lines)) == len(lines)
    assert any(words in line for line in lines)


def test_naming_the_most_frequent_class_is_no_learning(study):
    weights = replace(study.weights, train=0.96, true=0.96, random=0.96, base=0.96)
    lines = DataRandomization().expectation(replace(study, weights=weights)).guards
    # .96 + .04 * .9 * .95 of the random labels, .96 + .04 * .9 * .7 of the test images.
    assert "learned 0.96 of its labels; at least 0.99" in lines[3]
    assert "true labels 1 has test accuracy 0.96; at least 0.99" in lines[0]
    assert len(lines) == 6


def test_explaining_images_that_were_trained_on_trips_a_guard(study):
    weights = replace(study.weights, seen=0.5)
    (line,) = DataRandomization().expectation(replace(study, weights=weights)).guards
    assert line.startswith("50% of the images to explain are among those")


def test_a_level_that_is_not_judged_trips_no_guard(study):
    class Levels(Drawn):
        def made(self, name):
            made = super().made(name)
            return replace(made, train_accuracy=0.5) if name.fraction == 0.25 else made

    weights = Levels(study.weights.model, study.weights.folder)
    assert CURVE.expectation(replace(study, weights=weights)).guards == ()


def test_images_without_labels_are_refused_before_anything_is_trained(study):
    with pytest.raises(NotApplicable, match="needs labels of the images to explain"):
        DataRandomization().conditions(replace(study, labels=None))
    assert not study.weights.trained


def test_partly_random_labels_may_be_tested_above_chance(study):
    promise = DataRandomization(fractions=[0.5]).expectation(
        replace(study, weights=replace(study.weights, random=0.6))
    )
    assert promise.guards == ()
    assert "random throughout" in promise.no_verdict


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": "swapped"}, "labels must be one of permuted, uniform; got 'swapped'"),
        ({"fractions": []}, "fractions must lie above 0 and at most at 1; got []"),
        ({"fractions": [0.0, 1.0]}, "fractions must lie above 0"),
        ({"fractions": [1.5]}, "fractions must lie above 0"),
        ({"networks": 1}, "networks must be at least 2, for a twin; got 1"),
        ({"min_train_accuracy": 95}, r"min_train_accuracy must be in \[0, 1\]; got 95"),
        ({"chance_margin": -0.1}, r"chance_margin must be in \[0, 1\]"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words.replace("[]", r"\[\]")):
        DataRandomization(**settings)
