"""GradCAM against its formula in NumPy, and where it does not apply."""

import numpy as np
import pytest
from scipy import ndimage

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(scope="module")
def expected(reference, targets):
    """`sum_k mean_ij(d logit / d A_ijk) A_k`, before the ReLU: the head is linear in A."""
    gradients = reference["head"].T.reshape(3, 3, 3, 5)[targets]
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return (weights * reference["second"]).sum(axis=-1, keepdims=True)


def test_grad_cam_is_its_formula_in_every_kind(model, images, targets, expected):
    maps = ex.GradCAM(upsample=None)(model, images, targets)
    np.testing.assert_allclose(maps, np.maximum(expected, 0), rtol=1e-4, atol=1e-5)


def test_without_relu_the_negative_part_stays(functional, images, targets, expected):
    explainer = ex.GradCAM(relu=False, upsample=None)
    assert explainer.signed
    assert not ex.GradCAM().signed
    maps = explainer(functional, images, targets)
    assert (maps < 0).any()
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)


def test_maps_are_brought_to_the_image_bilinearly(functional, images, targets, expected):
    """Pixel centres lie at halves: 3 cells over 12 pixels, 4 pixels each."""
    places = (np.arange(12) + 0.5) / 4 - 0.5
    grid = np.meshgrid(places, places, indexing="ij")
    maps = ex.GradCAM(relu=False)(functional, images, targets)
    for found, small in zip(maps, expected, strict=True):
        resized = ndimage.map_coordinates(small[..., 0], grid, order=1, mode="nearest")
        np.testing.assert_allclose(found[..., 0], resized, rtol=1e-4, atol=1e-4)


def test_nearest_repeats_the_cells(functional, images, targets):
    small = ex.GradCAM(upsample=None)(functional, images, targets)
    maps = ex.GradCAM(upsample="nearest")(functional, images, targets)
    np.testing.assert_allclose(maps, small.repeat(4, axis=1).repeat(4, axis=2), rtol=1e-5)


def test_pooled_features_give_the_class_activation_map(images, targets):
    """Behind global average pooling the weights are the head's, over the number of places."""
    import keras

    layers = keras.layers
    convolution = layers.Conv2D(4, 3, activation="relu")
    head = layers.Dense(3, activation="softmax")
    model = keras.Sequential(
        [keras.Input((12, 12, 2)), convolution, layers.GlobalAveragePooling2D(), head]
    )
    features = convolution(images).numpy()
    weights = head.kernel.numpy().T[targets] / 100
    cam = np.maximum(np.einsum("nhwk,nk->nhw", features, weights), 0)
    maps = ex.GradCAM(upsample=None)(model, images, targets)
    np.testing.assert_allclose(maps[..., 0], cam, rtol=1e-4, atol=1e-6)


def test_a_layer_is_found_by_name_in_every_kind(model, images, targets):
    maps = ex.GradCAM(layer="pool", upsample=None)(model, images, targets)
    assert maps.shape == (5, 5, 5, 1)
    assert maps.any()
    named = ex.GradCAM(layer="second", upsample=None)(model, images, targets)
    default = ex.GradCAM(upsample=None)(model, images, targets)
    np.testing.assert_array_equal(named, default)


def test_pooling_behind_the_last_convolution_counts(images, targets):
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(3, 3, name="convolution"),
            layers.MaxPooling2D(name="last"),
            layers.GlobalMaxPooling2D(keepdims=True),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    maps = ex.GradCAM(upsample=None)(model, images, targets)
    assert maps.shape == (5, 5, 5, 1)
    named = ex.GradCAM(layer="last", upsample=None)(model, images, targets)
    np.testing.assert_array_equal(maps, named)


@pytest.mark.parametrize("explainer", [ex.GradCAM(layer="thrid"), ex.GuidedGradCAM("thrid")])
def test_an_unknown_layer_is_refused_with_the_known_ones(functional, explainer):
    with pytest.raises(ValueError, match=r"first, pool, norm, second\); got 'thrid'"):
        explainer.bind(functional)


def test_an_unknown_layer_is_refused_with_the_near_ones_if_any(functional):
    with pytest.raises(ValueError, match=r"with a feature map \(second\); got 'secnd'"):
        ex.GradCAM(layer="secnd").bind(functional)


def test_a_layer_without_a_feature_map_is_refused(functional):
    with pytest.raises(NotApplicable, match="'head' is not a feature map"):
        ex.GradCAM(layer="head").bind(functional)


@pytest.mark.parametrize("front", ["nothing", "rescaling", "reshape", "normalization"])
@pytest.mark.parametrize("explainer", [ex.GradCAM(), ex.GuidedGradCAM()])
def test_networks_without_learned_features_are_refused(explainer, front):
    import keras

    layers = keras.layers
    fronts = {
        "nothing": [],
        "rescaling": [layers.Rescaling(2.0)],
        "reshape": [layers.Flatten(), layers.Reshape((12, 12, 2))],
        "normalization": [layers.Normalization(mean=0.5, variance=1.0)],
    }
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            *fronts[front],
            layers.Flatten(),
            layers.Dense(4, activation="relu"),
            layers.Dense(3),
        ]
    )
    with pytest.raises(NotApplicable, match="no layer with weights has a feature map"):
        explainer.bind(model)


def test_guided_grad_cam_is_their_product(model, images, targets):
    guided = ex.GuidedBackprop()(model, images, targets)
    cam = ex.GradCAM()(model, images, targets)
    found = ex.GuidedGradCAM()(model, images, targets)
    np.testing.assert_allclose(found, guided * cam, rtol=1e-6, atol=0)


def test_guided_grad_cam_survives_tiny_gradients(fresh_model_of, images, targets):
    model = fresh_model_of("functional")
    ordinary = ex.GuidedGradCAM()(model, images, targets)
    *_, kernel, bias = model.variables
    with network.swapped(model, [kernel, bias], [kernel.numpy() * 1e-25, bias.numpy()]):
        tiny = ex.GuidedGradCAM()(model, images, targets)
    peak = np.abs(ordinary).max(axis=(1, 2, 3), keepdims=True)
    alive = peak.ravel() > 0
    assert alive.any()
    np.testing.assert_allclose(tiny[alive], (ordinary / peak)[alive], rtol=1e-4, atol=1e-6)


def test_an_unknown_way_to_upsample_is_refused():
    with pytest.raises(ValueError, match="upsample must be one of bilinear, nearest, bicubic"):
        ex.GradCAM(upsample="cubic")
