"""What every explainer of conf/ promises, on every kind of model: a new file is tested."""

import random
from functools import cache

import numpy as np
import pytest
from helpers.configured import NAMES, configured, cut
from helpers.transformer_kinds import build_transformer

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.properties import check_explainer
from saliency_bench.protocols import Explainer

CHEAP = {"occlusion": {"patch": 5, "stride": 4}, "kernel_shap": {"samples": 64}}
"""What some need for a small image, or more of."""

VARIANTS = {
    "gradient_of_probability": ex.Gradient(output="probability"),
    "mean_gradient": ex.IntegratedGradients(steps=2, rule="trapezoid", multiply_by_inputs=False),
    "grad_cam_signed": ex.GradCAM(relu=False),
    "grad_cam_small": ex.GradCAM(upsample=None),
    "lrp_gamma": ex.LRP("gamma"),
    "lrp_deep_taylor": ex.LRP("deep_taylor", low=-5.0, high=5.0),
}

OF_ATTENTION = {"attention_rollout", "generic_attention"}
"""They serve transformers alone."""

KEYED_BY_WEIGHTS = {"random_fresh", "weight_hash", "target_hash", "input_noise", "mixture"}
"""In the order of the model's variables, which is another one in another kind of model."""

every = pytest.mark.parametrize("name", [*NAMES, *VARIANTS])


@cache
def explainer_of(name):
    if name in VARIANTS:
        return VARIANTS[name]
    return cut(configured()[name], CHEAP.get(name, {}))


@pytest.fixture(scope="module")
def network_of(model_of):
    """The network as a kind, or for methods of attention a transformer; the same every time."""
    transformer_of = cache(build_transformer)
    return lambda name, kind: (transformer_of if name in OF_ATTENTION else model_of)(kind)


@pytest.fixture(scope="module")
def bound_of(network_of):
    """An explainer bound to a kind of model, 8 rows at once; bound only once."""

    def bind(name, kind="functional"):
        with network.evaluating(8):
            return explainer_of(name).bind(network_of(name, kind))

    return cache(bind)


@pytest.fixture(scope="module")
def maps_of(bound_of, images, targets):
    return cache(lambda name, kind="functional": bound_of(name, kind)(images, targets))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


UNTESTABLE = {
    "gradient_of_probability": {"shift_invariance", "linearity"},
    # References and maps that have a size of their own.
    "grad_cam_small": {"confinement"},
}


@every
def test_it_has_the_properties_that_all_have_and_those_it_promises(
    name, network_of, images, targets
):
    model = network_of(name, "functional")
    table = check_explainer(explainer_of(name), model, images, targets)
    # Few steps are not complete: their own tests are about that.
    loose = {"completeness"} if name in {"integrated_gradients", "blur_ig"} else set()
    broken = table[(table["status"] == "broken") & ~table["property"].isin(loose)]
    assert broken.to_dict("records") == []
    untestable = set(table.loc[table["status"] == "not_testable", "property"])
    assert untestable == UNTESTABLE.get(name, set())


@every
def test_settings_are_shown_and_maps_say_something(name, maps_of):
    assert isinstance(explainer_of(name), Explainer)
    assert "0x" not in repr(explainer_of(name))
    assert maps_of(name).any()


@every
def test_an_image_alone_has_the_bits_it_has_in_a_batch(name, bound_of, maps_of, images, targets):
    for index in (0, 4):
        row = slice(index, index + 1)
        alone = bound_of(name)(images[row], targets[row])
        np.testing.assert_array_equal(alone[0], maps_of(name)[index])


@pytest.mark.parametrize("kind", ["sequential", "nested", "subclassed", "tf_function"])
@pytest.mark.parametrize("name", [n for n in [*NAMES, *VARIANTS] if n not in KEYED_BY_WEIGHTS])
def test_kinds_of_models_have_the_same_maps(name, kind, maps_of):
    close(maps_of(name, kind), maps_of(name))


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_images_of_any_float_type_are_taken(functional, images, targets, dtype):
    maps = ex.Gradient()(functional, images.astype(dtype), targets.astype(np.int32))
    assert maps.dtype == np.float32


# ---------------------------------------------------------------- nothing is left behind


def next_draws():
    import keras
    import tensorflow as tf

    return random.random(), float(tf.random.uniform([])), float(keras.random.uniform([]))


@every
def test_no_global_random_state_is_used(name, maps_of, bound_of, images, targets):
    import keras

    maps_of(name)
    keras.utils.set_random_seed(5)
    undisturbed = next_draws()
    keras.utils.set_random_seed(5)
    bound_of(name)(images[:2], targets[:2])
    assert next_draws() == undisturbed


def test_a_tf_function_is_one_again(model_of, images, targets):
    model = model_of("tf_function")
    before = model(images[:1]).numpy()
    ex.GuidedBackprop()(model, images[:2], targets[:2])
    assert "call" not in model.__dict__
    np.testing.assert_array_equal(model(images[:1]).numpy(), before)


def test_nothing_is_left_behind_by_a_refusal(functional, images, targets):
    layers = [sorted(layer.__dict__) for layer in functional._flatten_layers()]
    with pytest.raises(ValueError, match="must be one with a feature map"):
        ex.GradCAM(layer="unknown")(functional, images, targets)
    assert [sorted(layer.__dict__) for layer in functional._flatten_layers()] == layers


@every
def test_images_and_targets_are_not_written_to(name, bound_of, images, targets):
    own, wanted = images[:1].copy(), targets[:1].copy()
    own.flags.writeable = wanted.flags.writeable = False
    bound_of(name)(own, wanted)
    np.testing.assert_array_equal(own, images[:1])
    np.testing.assert_array_equal(wanted, targets[:1])


# ---------------------------------------------------------------- wrong data


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("nan", "images must be finite; image 1 holds NaN"),
        ("rank", r"images must be \[N, H, W, C\]"),
        ("none", r"images must be \[N, H, W, C\] with N >= 1"),
        ("float_targets", "targets must be 5 integers, one per image; got float64"),
        ("few_targets", "targets must be 5 integers"),
        ("negative_target", "targets must hold whole numbers from 0 on, got -1"),
        ("few_keys", "keys must be one per image"),
    ],
)
@pytest.mark.parametrize("name", ["gradient", "smoothgrad", "constant"])
def test_wrong_data_are_refused(name, functional, images, targets, change, rule):
    images, targets, keys = images.copy(), targets.copy(), None
    match change:
        case "nan":
            images[1, 0, 0, 0] = np.nan
        case "rank":
            images = images[0]
        case "none":
            images, targets = images[:0], targets[:0]
        case "float_targets":
            targets = targets.astype(float)
        case "few_targets":
            targets = targets[:4]
        case "negative_target":
            targets[2] = -1
        case "few_keys":
            keys = [1, 2]
    with pytest.raises(ValueError, match=rule):
        explainer_of(name)(functional, images, targets, keys=keys)


@pytest.mark.parametrize("name", [n for n in NAMES if not isinstance(explainer_of(n), ex.Control)])
def test_targets_that_are_no_class_are_refused(name, bound_of, images):
    """Controls do not ask the model, so they do not know its classes."""
    if name == "mixture":
        pytest.skip("it is made of controls")
    with pytest.raises(ValueError, match=r"targets must lie in 0\.\.2; got 3"):
        bound_of(name)(images, np.array([0, 1, 2, 3, 0]))
