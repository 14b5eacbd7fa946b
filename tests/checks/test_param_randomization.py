"""Parameter randomization: which weights change under a condition, and that no others do."""

import itertools
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from saliency_bench import network as networks
from saliency_bench.checks import ParameterRandomization
from saliency_bench.protocols import Scene, Study
from saliency_bench.randomize import POLICIES, image_keys

ORDERS = ("top_down", "bottom_up", "independent")
OUTPUT_FIRST = ("head", "second", "norm", "first")
EVERY_SETTING = [
    {"order": order, "nested": nested, "batch_norm": batch_norm, "policy": policy}
    for order, nested, batch_norm, policy in itertools.product(
        ORDERS, (False, True), ("reset", "keep"), POLICIES
    )
]
SELECTIONS = [
    {},
    {"exclude": ["norm"]},
    {"blocks": {"top": ["head", "second"], "stem": ["*"]}},
    {"stages": 2},
    {"stages": [2, 3], "order": "independent"},
    {"order": "bottom_up", "nested": True, "batch_norm": "keep"},
]


@pytest.fixture(scope="module")
def study_of(model_of, images, targets):
    """A study of a kind of model, with 2 draws."""
    studies = {}

    def make(kind):
        if kind not in studies:
            network = networks.KerasNetwork(model_of(kind), batch_size=5)
            scene = Scene(images, targets, image_keys(images))
            studies[kind] = Study(network, scene, {}, {}, {}, draws=2, seed=7)
        return studies[kind]

    return make


@pytest.fixture(scope="module")
def study(study_of):
    return study_of("functional")


@pytest.fixture(scope="module")
def deep_study():
    """A study of a network of so many layers with weights, `layer_0` at the input; not to run."""
    import keras

    def make(count):
        layers = [keras.layers.Dense(2, name=f"layer_{number}") for number in range(count)]
        model = keras.Sequential([keras.Input((1, 4, 1)), keras.layers.Flatten(), *layers])
        return Study(SimpleNamespace(model=model), None, {}, {}, {}, draws=2)

    return make


def redrawn(study, **settings):
    """The conditions of a check, without the repeat at stage 0."""
    return ParameterRandomization(**settings).conditions(study)[1:]


def snapshot(study):
    return [variable.numpy().copy() for variable in study.network.model.variables]


def weights_under(study, condition):
    with condition.applied(study.network, study.scene):
        return snapshot(study)


def moved(before, after):
    """Positions of the variables of which at least one bit differs."""
    pairs = enumerate(zip(before, after, strict=True))
    return {position for position, (a, b) in pairs if a.tobytes() != b.tobytes()}


def positions_of(study, *layers):
    """Positions of all variables of these layers."""
    found = enumerate(study.network.model.variables)
    return {p for p, variable in found if variable.path.split("/")[-2] in layers}


def assert_only_named_weights_change(study, settings):
    untouched, logits = snapshot(study), study.network.outputs(study.scene.images)
    for condition in redrawn(study, draws=1, **settings):
        named = {position for position, _ in condition.variables}
        with condition.applied(study.network, study.scene):
            changed = moved(untouched, snapshot(study))
            evidence = study.network.evidence()
            assert not np.array_equal(study.network.outputs(study.scene.images), logits)
        assert changed <= named
        assert evidence["variables_changed"] == len(changed)
        assert evidence["variables_exempt"] == len(named) - len(changed) == 0
        assert not moved(untouched, snapshot(study))
    np.testing.assert_array_equal(study.network.outputs(study.scene.images), logits)


# ---------------------------------------------------------------- nothing else changes


@pytest.mark.parametrize("settings", EVERY_SETTING, ids=lambda s: "-".join(map(str, s.values())))
def test_only_named_weights_change_under_every_setting(study, settings):
    assert_only_named_weights_change(study, settings)


@pytest.mark.parametrize("settings", SELECTIONS, ids=str)
@pytest.mark.parametrize("kind", ["sequential", "nested", "subclassed", "tf_function"])
def test_only_named_weights_change_in_every_kind(study_of, kind, settings):
    assert_only_named_weights_change(study_of(kind), settings)


def test_kinds_have_the_same_conditions(study_of, study):
    expected = [(c.stage, c.depth, c.draw, c.name) for c in redrawn(study)]
    for kind in ("nested", "subclassed"):
        found = [(c.stage, c.depth, c.draw, c.name.split("/")[-1]) for c in redrawn(study_of(kind))]
        assert found == expected


# ---------------------------------------------------------------- which weights


@pytest.mark.parametrize(
    ("order", "layers_by_stage"),
    [
        ("top_down", [OUTPUT_FIRST[: stage + 1] for stage in range(4)]),
        ("bottom_up", [OUTPUT_FIRST[::-1][: stage + 1] for stage in range(4)]),
        ("independent", [(layer,) for layer in OUTPUT_FIRST]),
    ],
)
def test_orders_name_these_layers(study, order, layers_by_stage):
    conditions = redrawn(study, order=order, draws=1)
    for condition, layers in zip(conditions, layers_by_stage, strict=True):
        assert {p for p, _ in condition.variables} == positions_of(study, *layers)
        assert condition.name == layers[-1]


@pytest.mark.parametrize(
    ("order", "depths"),
    [
        ("top_down", [0.25, 0.5, 0.75, 1.0]),
        ("bottom_up", [0.25, 0.5, 0.75, 1.0]),
        ("independent", [0.25] * 4),
    ],
)
def test_stages_draws_and_depths_are_numbered(study, order, depths):
    conditions = redrawn(study, order=order)
    assert [c.stage for c in conditions] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert [c.draw for c in conditions] == [0, 1] * 4
    assert [c.depth for c in conditions[::2]] == depths


def test_depth_counts_layers_not_blocks(study):
    grouped = redrawn(study, blocks={"top": ["head", "second", "norm"], "rest": ["*"]}, draws=1)
    assert [c.depth for c in grouped] == [0.75, 1.0]


def test_kept_statistics_are_not_named(study):
    norm = study.network.model.get_layer("norm")
    statistics = {id(norm.moving_mean), id(norm.moving_variance)}
    variables = study.network.model.variables
    for condition in redrawn(study, batch_norm="keep", draws=1):
        assert not {id(variables[p]) for p, _ in condition.variables} & statistics


def test_chosen_stages_are_those_of_the_whole_cascade(study):
    whole = redrawn(study)
    assert redrawn(study, stages=[2, 4]) == whole[2:4] + whole[6:8]
    assert redrawn(study, stages=2) == whole[:2] + whole[6:8]


@pytest.mark.parametrize("settings", [{}, {"stages": None}, {"stages": "all"}])
def test_every_layer_of_a_shallow_network_has_a_stage(study, settings):
    assert redrawn(study, **settings) == redrawn(study, stages=[1, 2, 3, 4])


def stages_of(study, **settings):
    return [condition.stage for condition in redrawn(study, draws=1, **settings)]


@pytest.mark.parametrize(
    ("layers", "stages"),
    [
        (12, [*range(1, 13)]),
        (13, [1, 3, 4, 6, 8, 10, 11, 13]),
        (15, [1, 3, 5, 7, 9, 11, 13, 15]),
        (57, [1, 9, 17, 25, 33, 41, 49, 57]),
    ],
)
def test_a_deep_network_has_eight_stages_unless_all_are_asked_for(deep_study, layers, stages):
    study = deep_study(layers)
    assert stages_of(study) == stages
    assert stages_of(study, stages="all") == [*range(1, layers + 1)]
    for settings, count in (({}, len(stages)), ({"stages": "all"}, layers)):
        expectation = ParameterRandomization(**settings).expectation(study)
        assert not expectation.no_verdict
        said = f"; maps are compared at {count} of {layers} stages"
        assert expectation.words.breaks.endswith(said) == (count < layers)


def test_the_default_of_blocks_is_spaced_by_layer(deep_study):
    study = deep_study(57)
    # 27 blocks of one layer at the output, then 15 of two: depths 1 to 27, 29, 31, ... 57.
    single = {f"single_{number}": [f"layer_{number}"] for number in range(30, 57)}
    pairs = {f"pair_{n}": [f"layer_{2 * n}", f"layer_{2 * n + 1}"] for n in range(15)}
    conditions = redrawn(study, draws=1, blocks={**single, **pairs})
    depths = [round(57 * condition.depth) for condition in conditions]
    assert depths == [1, 9, 17, 25, 33, 41, 49, 57]
    assert not ParameterRandomization(blocks={**single, **pairs}).expectation(study).no_verdict


@pytest.mark.parametrize(
    ("size", "stages", "reason"),
    [
        (4, None, ""),  # the nearest of 14 blocks
        (4, [1, 3, 5, 7, 9, 11, 13, 14], "stages are not all"),  # three layers from even
        (4, [1, 2, 3, 4, 5, 6, 7, 14], "stages are not all"),
        (28, None, "stages are not all"),  # two blocks
    ],
)
def test_whole_blocks_may_be_half_a_block_from_even(deep_study, size, stages, reason):
    blocks = {
        f"block_{start}": [f"layer_{number}" for number in range(start, start + size)]
        for start in range(0, 56, size)
    }
    check = ParameterRandomization(blocks=blocks, stages=stages)
    said = check.expectation(deep_study(56)).no_verdict
    assert reason in said
    assert bool(said) == bool(reason)


# ---------------------------------------------------------------- draws


def test_nested_draws_keep_what_earlier_stages_drew(study):
    first, second = (
        weights_under(study, c) for c in redrawn(study, nested=True, draws=1, stages=[1, 2])
    )
    assert moved(first, second) == positions_of(study, "second")


def test_fresh_draws_redraw_earlier_layers(study):
    first, second = (weights_under(study, c) for c in redrawn(study, draws=1, stages=[1, 2]))
    kernels = positions_of(study, "head", "second") - _biases(study)
    assert moved(first, second) >= kernels


def _biases(study):
    """They are redrawn as zeros every time."""
    return {p for p, v in enumerate(study.network.model.variables) if v.name == "bias"}


def test_draws_differ_and_repeat(study):
    first, second = redrawn(study, stages=[4])
    again = weights_under(study, first)
    assert not moved(weights_under(study, first), again)
    assert moved(again, weights_under(study, second)) >= positions_of(study, "head") - _biases(
        study
    )


def test_seeds_differ(study):
    (first,) = redrawn(study, stages=[4], draws=1)
    (other,) = redrawn(replace(study, seed=8), stages=[4], draws=1)
    assert moved(weights_under(study, first), weights_under(study, other))


def test_conditions_are_plain_data(study):
    for condition in ParameterRandomization().conditions(study):
        copied = pickle.loads(pickle.dumps(condition))
        assert copied == condition
        assert repr(copied) == repr(condition)


# ---------------------------------------------------------------- the scene


def test_the_scene_is_unchanged_but_for_repredicted_targets(study):
    (condition,) = redrawn(study, stages=[4], draws=1)
    with condition.applied(study.network, study.scene) as scene:
        assert scene is study.scene
    (condition,) = redrawn(replace(study, target="repredict"), stages=[4], draws=1)
    with condition.applied(study.network, study.scene) as scene:
        predicted = study.network.outputs(study.scene.images).argmax(axis=1)
        np.testing.assert_array_equal(scene.targets, predicted)
        np.testing.assert_array_equal(scene.images, study.scene.images)


def test_the_repeat_changes_keys_only(study):
    repeat = ParameterRandomization().conditions(study)[0]
    before = snapshot(study)
    with repeat.applied(study.network, study.scene) as scene:
        assert not moved(before, snapshot(study))
        assert not set(scene.keys) & set(study.scene.keys)
        np.testing.assert_array_equal(scene.images, study.scene.images)
    assert (repeat.stage, repeat.depth, repeat.moves_output) == (0, 0.0, False)


# ---------------------------------------------------------------- expectations and refusals


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, ""),
        ({"nested": True, "policy": "permute"}, ""),
        ({"stages": 4}, ""),
        ({"blocks": {"top": ["head", "second"], "stem": ["*"]}}, "stages are not all"),
        ({"blocks": {"all": ["*"]}}, "stages are not all"),
        ({"order": "bottom_up"}, "descriptive"),
        ({"order": "independent"}, "descriptive"),
        ({"batch_norm": "keep"}, "batch_norm=keep"),
        ({"stages": 3}, "stages are not all"),
        ({"stages": [1, 2, 3]}, "stages are not all"),
        ({"blocks": {"top": ["head"], "rest": ["*"]}}, "stages are not all"),
    ],
)
def test_a_verdict_needs_an_even_top_down_cascade(study, settings, reason):
    expectation = ParameterRandomization(**settings).expectation(study)
    ceiling = expectation.ceiling.stage
    assert (expectation.expects, ceiling, expectation.statistic) == ("change", None, "area")
    assert bool(expectation.no_verdict) == bool(reason)
    assert reason in expectation.no_verdict


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"order": "sideways"}, "order must be one of"),
        ({"policy": "shuffle"}, "policy must be one of"),
        ({"batch_norm": "recalibrate"}, "batch_norm must be one of"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
        ({"exclude": "head"}, "exclude must be a list of layer names; got 'head'"),
        ({"stages": "most"}, "stages must be null, all, a number or a list of numbers; got 'most'"),
        ({"stages": True}, "stages must be null, all, a number or a list"),
        ({"stages": [1, 2.5]}, "stages must be null, all, a number or a list"),
    ],
)
def test_settings_are_checked_when_made(settings, rule):
    with pytest.raises(ValueError, match=rule):
        ParameterRandomization(**settings)


@pytest.mark.parametrize("stages", [0, 5, [], [0, 1], [4, 5]])
def test_stages_must_fit_the_model(study, stages):
    with pytest.raises(ValueError, match=r"stages must be in 1\.\.4"):
        ParameterRandomization(stages=stages).conditions(study)


def test_blocks_are_the_models(study):
    names = [c.name for c in redrawn(study, draws=1)]
    assert names == [block.name for block in networks.blocks(study.network.model)]
