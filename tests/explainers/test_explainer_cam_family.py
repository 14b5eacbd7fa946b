"""Class activation maps against their formulas in NumPy, and what must hold between them."""

import numpy as np
import pytest
from scipy import ndimage, special

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.explainers import (
    FEM,
    Activations,
    EigenCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
)
from saliency_bench.explainers.cam import channel_weights
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

WEIGHTED = (GradCAMPlusPlus, LayerCAM, HiResCAM)
OF_FEATURES = (Activations, EigenCAM, FEM)
FAMILY = (*WEIGHTED, *OF_FEATURES, ScoreCAM)


@pytest.fixture(scope="module")
def features(reference):
    """`[5, 3, 3, 5]`, none below 0."""
    return reference["second"].astype(np.float64)


@pytest.fixture(scope="module")
def gradients(reference, targets):
    """`d logit / d A`: the head is linear in A."""
    return reference["head"].T.reshape(3, 3, 3, 5)[targets]


@pytest.fixture(scope="module")
def expected(features, gradients, functional, images, targets):
    """Each map at the layer's own size, before its ReLU."""
    principal = [np.linalg.svd(one.reshape(9, 5))[2][0] for one in features]
    projected = np.einsum("nhwk,nk->nhw", features, principal)
    means, deviations = features.mean(axis=(1, 2)), features.std(axis=(1, 2))
    rare = features > (means + 2 * deviations)[:, None, None]
    shares = special.softmax(masked_scores(functional, images, targets, features), axis=1)
    return {
        GradCAMPlusPlus: np.einsum("nhwk,nk->nhw", features, plus_plus(features, gradients)),
        LayerCAM: (np.maximum(gradients, 0) * features).sum(axis=-1),
        HiResCAM: (gradients * features).sum(axis=-1),
        Activations: features.mean(axis=-1),
        EigenCAM: projected * np.sign(projected.sum(axis=(1, 2), keepdims=True)),
        FEM: np.einsum("nhwk,nk->nhw", rare, means),
        ScoreCAM: np.einsum("nhwk,nk->nhw", features, shares),
    }


def plus_plus(features, gradients):
    """Channel weights of GradCAM++, as the paper writes them."""
    sums = features.sum(axis=(1, 2), keepdims=True)
    below = 2 * gradients**2 + sums * gradients**3
    return (gradients**2 / below * np.maximum(gradients, 0)).sum(axis=(1, 2))


def masked_scores(functional, images, targets, features):
    """Logits `[N, K]` of the images seen through each channel; none of a constant one."""
    import keras

    places = (np.arange(12) + 0.5) / 4 - 0.5
    grid = np.meshgrid(places, places, indexing="ij")
    logits = keras.Model(functional.input, functional.get_layer("head").output)
    scores = np.full((5, 5), -np.inf)
    for n, k in np.argwhere(np.ptp(features, axis=(1, 2)) > 0):
        mask = ndimage.map_coordinates(features[n, ..., k], grid, order=1, mode="nearest")
        mask = (mask - mask.min()) / np.ptp(mask)
        scores[n, k] = logits(images[n : n + 1] * mask[..., None])[0, targets[n]]
    return scores


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


def on_pixels(weights, *, channels=1):
    """A network that is one dense layer on its 1x1 convolution of 2x2 pixels, which copies them."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((2, 2, 1)),
            keras.layers.Conv2D(channels, 1, name="copy"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    copied = np.ones((1, 1, 1, channels)), np.zeros(channels)
    model.set_weights([*copied, np.reshape(weights, (-1, 1)), np.zeros(1)])
    return model


PIXELS = np.array([[1, 2], [3, 4]], np.float32).reshape(1, 2, 2, 1)
SECOND = np.ones(1, int)
"""The class whose logit is the one unit itself; the other one's is its negative."""

# ---------------------------------------------------------------- formulas


@pytest.mark.parametrize("method", FAMILY)
def test_maps_are_their_formulas_in_every_kind(method, model, images, targets, expected):
    """Each cell repeated over its pixels."""
    explainer = method(upsample="nearest")
    maps = explainer(model, images, targets)
    wanted = expected[method].repeat(4, axis=1).repeat(4, axis=2)
    close(maps[..., 0], wanted if explainer.signed else np.maximum(wanted, 0))
    assert maps.dtype == np.float32


@pytest.mark.parametrize("method", [HiResCAM, ScoreCAM])
def test_the_relu_keeps_the_positive_part(method, functional, images, targets):
    settings = {"layer": "norm", "upsample": None}
    scale = functional.get_layer("norm").gamma
    with network.swapped(functional, [scale], [-2 * scale.numpy()]):
        whole = method(relu=False, **settings)(functional, images, targets)
        positive = method(relu=True, **settings)(functional, images, targets)
    assert whole.min() < 0 < whole.max()
    np.testing.assert_allclose(positive, np.maximum(whole, 0), rtol=1e-5)


def test_what_the_methods_are():
    said = {
        method: (method().signed, method.class_specific, method.uses_gradients) for method in FAMILY
    }
    assert said == {
        GradCAMPlusPlus: (False, True, True),
        LayerCAM: (False, True, True),
        HiResCAM: (True, True, True),
        Activations: (True, False, False),
        EigenCAM: (True, False, False),
        FEM: (True, False, False),
        ScoreCAM: (False, True, False),
    }
    assert not any(method.stochastic or method.multiplies_input for method in FAMILY)


# ---------------------------------------------------------------- gradients


def test_grad_cam_plus_plus_by_hand():
    """The sum of A is 10, so alpha is 1 / (2 + 10 g)."""
    maps = GradCAMPlusPlus(upsample=None)(on_pixels([1, -1, 0.5, 0]), PIXELS, SECOND)
    np.testing.assert_allclose(maps, (1 / 12 + 0.5 / 7) * PIXELS, rtol=1e-6)


def test_one_channel_with_a_constant_gradient_has_grad_cams_map_up_to_scale():
    model = on_pixels([0.5, 0.5, 0.5, 0.5])
    maps = GradCAMPlusPlus(upsample=None)(model, PIXELS, SECOND)
    np.testing.assert_allclose(maps, 4 / 7 * ex.GradCAM(upsample=None)(model, PIXELS, SECOND))


def test_small_constant_gradients_have_half_of_grad_cams_map_per_place():
    """Then alpha is 1/2 in every channel, whatever its sum."""
    model = on_pixels(np.tile([1e-25, 3e-25], 4), channels=2)
    maps = GradCAMPlusPlus(upsample=None)(model, PIXELS, SECOND)
    wanted = 4 / 2 * ex.GradCAM(upsample=None)(model, PIXELS, SECOND)
    assert maps.any()
    np.testing.assert_allclose(maps, wanted, rtol=1e-5, atol=0)


def test_hires_cam_sums_to_the_logit_less_its_bias(functional, images, targets, reference):
    maps = HiResCAM(upsample=None)(functional, images, targets)
    logits = reference["logits"] - functional.get_layer("head").bias.numpy()
    close(maps.sum(axis=(1, 2, 3)), np.take_along_axis(logits, targets[:, None], axis=1)[:, 0])


def test_layer_cam_is_hires_cam_where_no_gradient_is_negative(functional, images, targets):
    kernel = functional.get_layer("head").kernel
    layer_cam, hires_cam = LayerCAM().bind(functional), HiResCAM(relu=True).bind(functional)
    assert not np.allclose(layer_cam(images, targets), hires_cam(images, targets))
    with network.swapped(functional, [kernel], [np.abs(kernel.numpy())]):
        close(layer_cam(images, targets), hires_cam(images, targets))


@pytest.mark.parametrize("method", WEIGHTED)
def test_tiny_gradients_leave_a_map(method, functional, images, targets, features, gradients):
    kernel = functional.get_layer("head").kernel
    bound = method(relu=False, upsample=None).bind(functional)
    with network.swapped(functional, [kernel], [kernel.numpy() * 1e-25]):
        maps = bound(images, targets)[..., 0]
    weights = {
        GradCAMPlusPlus: np.maximum(gradients, 0).sum(axis=(1, 2), keepdims=True) / 2,
        LayerCAM: np.maximum(gradients, 0),
        HiResCAM: gradients,
    }
    close(np.float64(maps) * 1e25, (weights[method] * features).sum(axis=-1))


# ---------------------------------------------------------------- features alone


def combined(explainer, features):
    """The map that an explainer makes of features `[h, w, K]`."""
    import tensorflow as tf

    return explainer.combine(tf.constant(features[None], tf.float64)).numpy()[0, ..., 0]


def test_eigen_cam_of_one_direction_is_its_place_times_its_length():
    places = np.array([[0.0, 1.0], [2.0, -1.0]])
    for sign in (1, -1):
        maps = combined(EigenCAM(), sign * places[..., None] * np.array([3.0, -4.0]))
        np.testing.assert_allclose(maps, 5 * places, atol=1e-12)


def test_eigen_cam_does_not_depend_on_the_features_sign():
    features = np.random.default_rng(0).normal(size=(4, 3, 5))
    maps = combined(EigenCAM(), features)
    assert maps.sum() > 0
    np.testing.assert_allclose(combined(EigenCAM(), -features), maps, rtol=1e-9)


def test_eigen_cam_of_features_without_a_negative_value_has_none():
    features = np.random.default_rng(0).uniform(size=(4, 3, 5))
    assert combined(EigenCAM(), features).min() > 0


def test_features_that_are_not_finite_give_nan_in_their_image_only():
    import tensorflow as tf

    features = np.ones((3, 2, 2, 3))
    features[1, 0, 0, 0] = np.nan
    maps = EigenCAM().combine(tf.constant(features)).numpy()
    assert np.isnan(maps[1]).all()
    np.testing.assert_allclose(maps[[0, 2]], np.sqrt(3))


@pytest.mark.parametrize("method", OF_FEATURES)
def test_features_of_zero_give_a_map_of_zero(method):
    assert not combined(method(), np.zeros((3, 3, 4))).any()


def test_fem_by_hand():
    """One 9 among eight 0: mean 1, deviation sqrt(8); the 9 is 2.83 deviations above."""
    features = np.zeros((3, 3, 2))
    features[1, 2, 0] = 9
    features[..., 1] = -5
    features[0, 0, 1] = 4
    wanted = np.zeros((3, 3))
    wanted[1, 2], wanted[0, 0] = 1, -4
    np.testing.assert_allclose(combined(FEM(), features), wanted, atol=1e-12)
    np.testing.assert_allclose(combined(FEM(), features * 1e-25), wanted * 1e-25, atol=1e-37)
    with pytest.raises(NotApplicable, match="none of 3x3 positions can lie"):
        combined(FEM(deviations=2.9), features)


@pytest.mark.parametrize(("shape", "serves"), [((5, 1), False), ((1, 6), True)])
def test_fem_needs_six_positions_of_which_one_can_be_two_deviations_above_the_mean(shape, serves):
    features = np.zeros((*shape, 1))
    features[0, 0] = 1
    if serves:
        assert combined(FEM(), features)[0, 0] == pytest.approx(1 / 6)
    else:
        with pytest.raises(NotApplicable, match=r"one of more than 5 can"):
            combined(FEM(), features)


def test_a_constant_channel_has_no_rare_place():
    assert not combined(FEM(deviations=0.0), np.full((3, 3, 2), 0.1)).any()


def test_activations_are_the_channels_mean():
    features = np.array([[[1.0, -2.0, 4.0], [0.0, 0.0, -3.0]]])
    np.testing.assert_allclose(combined(Activations(), features), [[1, -1]])


# ---------------------------------------------------------------- scores


def test_channel_weights_sum_to_one_over_the_channels_that_vary():
    scores = np.random.default_rng(0).normal(0, 50, (4, 6))
    varies = np.array([[True] * 6, [True] * 5 + [False], [True] + [False] * 5, [False] * 6])
    weights = channel_weights(scores, varies)
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 1, 0])
    assert not weights[~varies].any()
    np.testing.assert_allclose(weights[0], special.softmax(scores[0]))
    np.testing.assert_allclose(channel_weights(scores - 1e3, varies), weights, rtol=1e-9)


def test_an_undefined_score_gives_no_weight_a_value():
    weights = channel_weights(np.array([[0.0, np.nan], [0.0, 0.0]]), np.full((2, 2), True))
    np.testing.assert_array_equal(weights, [[np.nan, np.nan], [0.5, 0.5]])


def without_kernels(functional, channels, bias):
    """The last convolution with some channels that are the same everywhere."""
    kernel, before = (v.numpy() for v in functional.get_layer("second").variables)
    kernel[..., channels], before[channels] = 0, bias
    return network.swapped(functional, functional.get_layer("second").variables, [kernel, before])


def test_a_constant_channel_has_no_weight(functional, images, targets):
    """Its value moves the scores of all masked images alike."""
    bound = ScoreCAM(relu=False, upsample=None).bind(functional)
    with without_kernels(functional, [1], 0.1):
        maps = bound(images, targets)
    with without_kernels(functional, [1], 5.0):
        moved = bound(images, targets)
    assert maps.any()
    close(moved, maps)


def test_an_image_without_another_channel_has_a_map_of_zero(functional, images, targets):
    with without_kernels(functional, slice(None), 0.5):
        assert not ScoreCAM()(functional, images, targets).any()


def test_score_cam_needs_no_gradient(images, targets):
    import keras

    class Rounded(keras.layers.Layer):
        def call(self, values):
            return keras.ops.round(values)

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(3, 3, name="rough"),
            Rounded(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    assert ScoreCAM(relu=False)(model, images, targets).any()
    with pytest.raises(NotApplicable, match="differentiable"):
        LayerCAM(layer="rough").bind(model)


def test_no_more_variants_at_once_than_allowed(functional, images, targets, monkeypatch):
    """Nor another map: batches end within an image's channels."""
    sizes = []
    whole = ScoreCAM()(functional, images, targets)
    call = network.Samples.rows

    def counted(self, images, targets, batch, *settings):
        sizes.append((len(images), len(batch)))
        return call(self, images, targets, batch, *settings)

    monkeypatch.setattr(network.Samples, "rows", counted)
    with network.evaluating(3):
        maps = ScoreCAM()(functional, images, targets)
    close(maps, whole)
    assert sum(variants for _, variants in sizes) == 5 * 5
    assert max(held for held, _ in sizes) == max(variants for _, variants in sizes) == 3


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("method", [FEM, ScoreCAM])
def test_an_unknown_layer_is_refused_with_the_near_ones(functional, method):
    with pytest.raises(ValueError, match=r"with a feature map \(second\); got 'secnd'"):
        method(layer="secnd").bind(functional)


@pytest.mark.parametrize("method", [FEM, ScoreCAM])
def test_a_layer_without_a_feature_map_is_refused(functional, method):
    with pytest.raises(NotApplicable, match="'head' is not a feature map"):
        method(layer="head").bind(functional)


@pytest.mark.parametrize("method", [FEM, ScoreCAM])
def test_networks_without_learned_features_are_refused(linear, method):
    with pytest.raises(NotApplicable, match="no layer with weights has a feature map"):
        method().bind(linear)


@pytest.mark.parametrize("method", FAMILY)
def test_an_unknown_way_to_upsample_is_refused(method):
    with pytest.raises(ValueError, match=r"bilinear, nearest, bicubic or None; got 'cubic'"):
        method(upsample="cubic")


def test_negative_deviations_are_refused():
    with pytest.raises(ValueError, match="deviations must be at least 0; got -1"):
        FEM(deviations=-1)
