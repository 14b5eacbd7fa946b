"""What every explainer and every control promises, on every kind of model."""

import random
from functools import cache

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench.network import evaluating, swapped
from saliency_bench.protocols import Explainer
from saliency_bench.randomize import image_keys, redraw

EXPLAINERS = {
    "gradient": ex.Gradient(),
    "gradient_of_probability": ex.Gradient(output="probability"),
    "gradient_input": ex.GradientInput(),
    "integrated_gradients": ex.IntegratedGradients(steps=4),
    "mean_gradient": ex.IntegratedGradients(steps=2, rule="trapezoid", multiply_by_inputs=False),
    "smoothgrad": ex.SmoothGrad(ex.Gradient(), samples=3),
    "ig_smoothgrad": ex.SmoothGrad(ex.IntegratedGradients(steps=2), samples=2),
    "guided_backprop": ex.GuidedBackprop(),
    "grad_cam": ex.GradCAM(relu=False),
    "grad_cam_small": ex.GradCAM(upsample=None),
    "guided_grad_cam": ex.GuidedGradCAM(),
    "occlusion": ex.Occlusion(patch=5, stride=4),
}
CONTROLS = {
    "edge_detector": ex.EdgeDetector(),
    "input_magnitude": ex.InputMagnitude(),
    "constant": ex.Constant(),
    "centre_prior": ex.CentrePrior(),
    "random_frozen": ex.RandomFrozen(),
    "random_fresh": ex.RandomFresh(),
    "weight_hash": ex.WeightHash(),
    "mixture": ex.Mixture(),
}
EVERY = {**EXPLAINERS, **CONTROLS}
SEES_NO_MODEL = {"edge_detector", "input_magnitude", "constant", "centre_prior", "random_frozen"}
KEYED_BY_IMAGE = {"random_frozen", "weight_hash"}
"""Not stochastic: their noise belongs to the image, whatever explainer seed is in force."""
KEYED_BY_WEIGHTS = {"random_fresh", "weight_hash", "mixture"}
"""In the order of the model's variables, which is another one in another kind of model."""
ONE_CHANNEL = {
    "grad_cam", "grad_cam_small", "occlusion", "constant", "centre_prior", "random_frozen",
    "random_fresh", "weight_hash", "mixture",
}  # fmt: skip

every = pytest.mark.parametrize("name", EVERY)


@pytest.fixture(scope="module")
def bound_of(model_of):
    """An explainer bound to a kind of model, 8 rows at once; bound only once."""

    def bind(name, kind="functional"):
        with evaluating(8):
            return EVERY[name].bind(model_of(kind))

    return cache(bind)


@pytest.fixture(scope="module")
def maps_of(bound_of, images, targets):
    return cache(lambda name, kind="functional": bound_of(name, kind)(images, targets))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


# ---------------------------------------------------------------- shape and type


@every
def test_instances_are_explainers_with_a_repr_of_their_settings(name):
    assert isinstance(EVERY[name], Explainer)
    assert "0x" not in repr(EVERY[name])


@every
def test_maps_are_finite_float32_of_the_images_size(name, maps_of):
    side = 3 if name == "grad_cam_small" else 12
    maps = maps_of(name)
    assert maps.shape == (5, side, side, 1 if name in ONE_CHANNEL else 2)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert maps.any()


@pytest.mark.parametrize("name", [name for name in EVERY if not EVERY[name].signed])
def test_unsigned_maps_have_no_negative_value(name, maps_of):
    assert maps_of(name).min() >= 0


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_images_of_any_float_type_are_taken(functional, images, targets, dtype):
    maps = ex.Gradient()(functional, images.astype(dtype), targets.astype(np.int32))
    assert maps.dtype == np.float32


# ---------------------------------------------------------------- the same map


@every
def test_an_image_alone_has_the_bits_it_has_in_a_batch(name, bound_of, maps_of, images, targets):
    for index in (0, 4):
        row = slice(index, index + 1)
        alone = bound_of(name)(images[row], targets[row])
        np.testing.assert_array_equal(alone[0], maps_of(name)[index])


@every
def test_maps_do_not_depend_on_the_batch_size(name, functional, maps_of, images, targets):
    alone = EVERY[name](functional, images[:1], targets[:1])
    close(alone, maps_of(name)[:1])


@every
def test_order_and_repetition_do_not_matter(name, bound_of, maps_of, images, targets):
    turned = bound_of(name)(images[::-1], targets[::-1])
    close(turned[::-1], maps_of(name))
    np.testing.assert_array_equal(bound_of(name)(images, targets), maps_of(name))


@pytest.mark.parametrize("kind", ["sequential", "nested", "subclassed", "tf_function"])
@pytest.mark.parametrize("name", [name for name in EVERY if name not in KEYED_BY_WEIGHTS])
def test_kinds_of_models_have_the_same_maps(name, kind, model_of, maps_of, images):
    close(maps_of(name, kind), maps_of(name))


# ---------------------------------------------------------------- what a map depends on


@every
def test_new_weights_are_seen_by_what_was_bound_before(
    name, functional, bound_of, maps_of, images, targets
):
    before, values = maps_of(name), redraw(functional, functional.variables, seed=0)
    with swapped(functional, functional.variables, values):
        live = bound_of(name)(images, targets)
        fresh = EVERY[name](functional, images, targets)
    close(live, fresh)
    assert np.array_equal(live, before) == (name in SEES_NO_MODEL)
    np.testing.assert_array_equal(bound_of(name)(images, targets), before)


@every
def test_the_target_matters_where_it_is_said_to(name, bound_of, maps_of, images, targets):
    others = bound_of(name)(images, (targets + 1) % 3)
    assert np.array_equal(others, maps_of(name)) != EVERY[name].class_specific


@every
def test_keys_matter_where_they_are_said_to(name, bound_of, maps_of, images, targets):
    bound, keys = bound_of(name), image_keys(images)
    np.testing.assert_array_equal(bound(images, targets, keys=keys), maps_of(name))
    moved = not np.array_equal(bound(images, targets, keys=keys + 10**6), maps_of(name))
    assert moved == (EVERY[name].stochastic or name in KEYED_BY_IMAGE)


@pytest.mark.parametrize("name", ["smoothgrad", "guided_backprop", "grad_cam"])
def test_equal_settings_bound_twice_have_equal_maps(name, functional, maps_of, images, targets):
    with evaluating(8):
        again = EVERY[name].bind(functional)(images, targets)
    np.testing.assert_array_equal(again, maps_of(name))


# ---------------------------------------------------------------- nothing is left behind


def state(model):
    import keras

    layers = [model, *model._flatten_layers(include_self=False)]
    return (
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        keras.config.floatx(),
        [(sorted(layer.__dict__), layer.trainable) for layer in layers],
        [(v.trainable, v.numpy().tobytes()) for v in model.variables],
    )


def next_draws():
    import keras
    import tensorflow as tf

    return float(tf.random.uniform([])), float(keras.random.uniform([]))


@pytest.mark.parametrize("kind", ["functional", "tf_function"])
@every
def test_nothing_is_left_behind(name, kind, model_of, images, targets):
    import keras

    model = model_of(kind)
    predictions = model(images[:1]).numpy()
    keras.utils.set_random_seed(5)
    undisturbed = next_draws()
    keras.utils.set_random_seed(5)
    before = state(model)
    EVERY[name](model, images[:2], targets[:2])
    assert state(model) == before
    assert next_draws() == undisturbed
    np.testing.assert_array_equal(model(images[:1]).numpy(), predictions)


def test_nothing_is_left_behind_by_a_refusal(functional, images, targets):
    before = state(functional)
    with pytest.raises(ValueError, match="must be one with a feature map"):
        ex.GradCAM(layer="unknown")(functional, images, targets)
    assert state(functional) == before


def test_images_and_targets_are_not_written_to(functional, images, targets):
    own, wanted = images.copy(), targets.copy()
    own.flags.writeable = wanted.flags.writeable = False
    for explainer in EVERY.values():
        explainer(functional, own[:1], wanted[:1])
    np.testing.assert_array_equal(own, images)
    np.testing.assert_array_equal(wanted, targets)


# ---------------------------------------------------------------- wrong data


@every
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("nan", "images must be finite; image 1 holds NaN"),
        ("rank", r"images must be \[N, H, W, C\]"),
        ("none", r"images must be \[N, H, W, C\] with N >= 1"),
        ("float_targets", "targets must be 5 integers, one per image; got float64"),
        ("few_targets", "targets must be 5 integers"),
        ("negative_target", "targets must be at least 0; got -1"),
        ("few_keys", "keys must be one per image"),
    ],
)
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
        EVERY[name](functional, images, targets, keys=keys)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_targets_that_are_no_class_are_refused(name, bound_of, images):
    """Controls do not ask the model, so they do not know its classes."""
    with pytest.raises(ValueError, match=r"targets must lie in 0\.\.2; got 3"):
        bound_of(name)(images, np.array([0, 1, 2, 3, 0]))
