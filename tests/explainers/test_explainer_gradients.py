"""Gradient, gradient x input, integrated gradients, SmoothGrad: calculus and hand arithmetic."""

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench import network as networks

pytestmark = pytest.mark.usefixtures("seeded")

RULES = ("midpoint", "left", "right", "trapezoid")


def logit_of(model, images, targets):
    return networks.KerasNetwork(model, batch_size=len(images)).outputs(images)[
        np.arange(len(images)), targets
    ]


# ---------------------------------------------------------------- gradient


def test_gradient_is_the_limit_of_differences():
    """Central differences in float64 of a smooth network."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1), dtype="float64"),
            layers.Conv2D(4, 3, activation="softplus", dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(3, dtype="float64"),
        ]
    )
    image, step = np.random.default_rng(0).normal(size=(6, 6, 1)).astype(np.float32), 1e-5
    moves = step * np.eye(36).reshape(36, 6, 6, 1)
    up, down = model(image + moves).numpy(), model(image - moves).numpy()
    for target in range(3):
        (found,) = ex.Gradient()(model, image[None], np.array([target]))
        expected = ((up - down)[:, target] / (2 * step)).reshape(6, 6, 1)
        assert np.median(np.abs(found / expected - 1)) < 1e-5


def test_gradient_of_a_linear_model_is_its_weights(linear, scenes, slopes):
    np.testing.assert_allclose(ex.Gradient()(linear, *scenes), slopes, rtol=1e-6)


def test_gradient_of_the_probability_follows_the_softmax(linear, scenes, weights):
    """d p_c / dx = p_c (w_c - sum_k p_k w_k)."""
    images, targets = scenes
    images = images * 0.1
    p = linear(images).numpy()
    own = np.moveaxis(weights, -1, 0)[targets]
    mean = np.einsum("nk,hwck->nhwc", p, weights)
    expected = p[np.arange(4), targets].reshape(-1, 1, 1, 1) * (own - mean)
    found = ex.Gradient(output="probability")(linear, images, targets)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_gradient_input_is_their_product(linear, scenes, slopes):
    expected = slopes * scenes[0]
    np.testing.assert_allclose(ex.GradientInput()(linear, *scenes), expected, rtol=1e-6)


def test_gradient_input_of_a_bias_free_relu_network_sums_to_the_logit(images, targets):
    """Euler: such a network is homogeneous of degree one."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(4, 3, activation="relu", use_bias=False),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, use_bias=False),
        ]
    )
    sums = ex.GradientInput()(model, images, targets).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, logit_of(model, images, targets), rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- integrated gradients


def test_integrated_gradients_sum_to_the_difference_of_the_logit(model, images, targets):
    sums = ex.IntegratedGradients()(model, images, targets).sum(axis=(1, 2, 3))
    start = logit_of(model, np.zeros_like(images), targets)
    gained = logit_of(model, images, targets) - start
    # Kinks cost each image a little, so the error is taken relative to the largest difference.
    assert np.abs(sums - gained).max() < 0.01 * np.abs(gained).max()


@pytest.mark.parametrize("baseline", [0.0, 0.5])
def test_integrated_gradients_of_a_smooth_network_are_complete(images, targets, baseline):
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(4, 3, activation="softplus"),
            layers.Flatten(),
            layers.Dense(8, activation="tanh"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    sums = ex.IntegratedGradients(baseline=baseline)(model, images, targets).sum(axis=(1, 2, 3))
    start = logit_of(model, np.full_like(images, baseline), targets)
    np.testing.assert_allclose(sums, logit_of(model, images, targets) - start, rtol=0.01, atol=1e-4)


@pytest.mark.parametrize("rule", RULES)
def test_integrated_gradients_at_the_baseline_are_zero(functional, targets, rule):
    images = np.full((5, 12, 12, 2), 0.25, np.float32)
    explainer = ex.IntegratedGradients(steps=3, rule=rule, baseline=0.25)
    assert not explainer(functional, images, targets).any()


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_integrated_gradients_of_a_linear_model_are_exact(linear, scenes, slopes, rule, steps):
    explainer = ex.IntegratedGradients(steps=steps, rule=rule, baseline=0.5)
    np.testing.assert_allclose(explainer(linear, *scenes), slopes * (scenes[0] - 0.5), rtol=1e-5)


def test_mean_gradient_is_without_the_input(linear, scenes, slopes):
    explainer = ex.IntegratedGradients(steps=3, multiply_by_inputs=False)
    assert not explainer.multiplies_input
    assert ex.IntegratedGradients().multiplies_input
    np.testing.assert_allclose(explainer(linear, *scenes), slopes, rtol=1e-5)


@pytest.mark.parametrize(
    ("rule", "places", "weights"),
    [
        ("left", [0, 0.5], [0.5, 0.5]),
        ("midpoint", [0.25, 0.75], [0.5, 0.5]),
        ("right", [0.5, 1], [0.5, 0.5]),
        ("trapezoid", [0, 0.5, 1], [0.25, 0.5, 0.25]),
    ],
)
def test_rules_place_two_steps_here(rule, places, weights):
    found = ex.IntegratedGradients(steps=2, rule=rule).path()
    np.testing.assert_allclose(found[0], places)
    np.testing.assert_allclose(found[1], weights)


def test_one_left_step_is_the_gradient_at_the_baseline(functional, images, targets):
    start = np.full_like(images, 0.5)
    explainer = ex.IntegratedGradients(steps=1, rule="left", baseline=0.5, multiply_by_inputs=False)
    np.testing.assert_allclose(
        explainer(functional, images, targets),
        ex.Gradient()(functional, start, targets),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("settings", "rule"),
    [({"steps": 0}, "steps must be at least 1; got 0"), ({"rule": "simpson"}, "rule must be one")],
)
def test_integrated_gradients_settings_are_checked(settings, rule):
    with pytest.raises(ValueError, match=rule):
        ex.IntegratedGradients(**settings)


# ---------------------------------------------------------------- SmoothGrad


def test_smoothgrad_without_noise_is_its_base(functional, images, targets):
    for base in (ex.Gradient(), ex.IntegratedGradients(steps=2)):
        smooth = ex.SmoothGrad(base, samples=2, noise=0.0)(functional, images, targets)
        expected = base(functional, images, targets)
        np.testing.assert_allclose(smooth, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("noise", [0.15, 2.0])
def test_smoothgrad_of_a_linear_model_is_the_gradient(linear, scenes, slopes, noise):
    smooth = ex.SmoothGrad(ex.Gradient(), samples=3, noise=noise)(linear, *scenes)
    np.testing.assert_allclose(smooth, slopes, rtol=1e-5)


def test_noise_has_the_stated_spread(linear, scenes, slopes):
    """Behind gradient x input of a linear model the noise can be read off."""
    images, targets = scenes
    spread = np.ptp(images, axis=(1, 2, 3)).reshape(-1, 1, 1, 1)
    for base in (ex.GradientInput(), ex.IntegratedGradients(steps=1)):
        smooth = ex.SmoothGrad(base, samples=1, noise=0.5)(linear, images, targets)
        noise = (smooth / slopes - images) / spread
        assert noise.std() == pytest.approx(0.5, rel=0.1)
        assert abs(noise.mean()) < 0.1


def test_smoothgrad_is_the_mean_of_its_samples(functional, images, targets):
    """The base here returns what it is given: the noisy images themselves."""
    recorded = []

    class Recording(ex.Method):
        def bind(self, model):
            def bound(images, targets, *, keys=None):
                recorded.append(images)
                return images

            return bound

    smooth = ex.SmoothGrad(Recording(), samples=3)(functional, images, targets)
    noisy = np.concatenate(recorded).reshape(5, 3, 12, 12, 2)
    np.testing.assert_allclose(smooth, noisy.mean(axis=1), rtol=1e-5, atol=1e-6)
    spread = np.ptp(images, axis=(1, 2, 3)).reshape(-1, 1, 1, 1, 1)
    noise = (noisy - images[:, None]) / spread
    assert noise.std() == pytest.approx(0.15, rel=0.05)
    assert len(np.unique(noise.round(5))) > 0.9 * noise.size


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_noise_is_the_same_in_any_batch(functional, images, targets, rows):
    smooth = ex.SmoothGrad(ex.Gradient(), samples=3)
    with networks.evaluating(rows):
        found = smooth.bind(functional)(images, targets)
    expected = smooth(functional, images, targets)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_noise_is_of_the_image_and_the_seed(linear, scenes):
    images, targets = scenes
    smooth = ex.SmoothGrad(ex.GradientInput(), samples=2)
    maps = smooth(linear, images, targets)
    turned = smooth(linear, images[::-1], targets[::-1])
    np.testing.assert_allclose(turned[::-1], maps, rtol=1e-5, atol=1e-6)
    other = ex.SmoothGrad(ex.GradientInput(), samples=2, seed=1)(linear, images, targets)
    assert not np.allclose(other, maps)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [({"samples": 0}, "samples must be at least 1"), ({"noise": -0.1}, "noise must be at least 0")],
)
def test_smoothgrad_settings_are_checked(settings, rule):
    with pytest.raises(ValueError, match=rule):
        ex.SmoothGrad(ex.Gradient(), **settings)


def test_smoothgrad_says_of_itself_what_its_base_says():
    smooth = ex.SmoothGrad(ex.Occlusion())
    assert (smooth.uses_gradients, smooth.stochastic) == (False, True)
    assert ex.SmoothGrad(ex.IntegratedGradients()).multiplies_input
    assert not ex.SmoothGrad(ex.GradCAM()).signed
