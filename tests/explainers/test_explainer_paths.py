"""Integrated gradients from any baseline, BlurIG, GuidedIG: their paths written out plainly."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.explainers.blur_ig import BlurIG, blurs
from saliency_bench.explainers.guided_ig import GuidedIG

pytestmark = pytest.mark.usefixtures("seeded")

SPREAD = np.array([0.3, -0.2])
"""A baseline per channel of the tiny network's images."""


@pytest.fixture(scope="module")
def gradients(functional):
    """Gradients of the logits by plain TensorFlow, written without the package."""
    import keras
    import tensorflow as tf

    logits = keras.Model(functional.input, functional.layers[-2].output)

    def gradients(images, targets):
        variable = tf.constant(images, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(variable)
            scores = tf.gather(logits(variable, training=False), targets, batch_dims=1)
        return tape.gradient(scores, variable).numpy().astype(np.float64)

    return gradients


def close(found, expected, rtol=1e-4):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def complete(explainer, model, images, targets):
    """How far the sums of the maps are from the differences of the scores, as a share of these."""
    score = network.target_score(model)
    wanted = score(images, targets) - score(explainer.reference(images), targets)
    sums = explainer(model, images, targets).sum(axis=(1, 2, 3))
    return np.abs(sums - wanted).max() / np.abs(wanted).max()


# ---------------------------------------------------------------- the straight line


def test_integrated_gradients_are_the_sum_along_the_line(model, gradients, images, targets):
    expected = np.zeros(images.shape)
    for place in (0.125, 0.375, 0.625, 0.875):
        expected += gradients(SPREAD + place * (images - SPREAD), targets) / 4
    found = ex.IntegratedGradients(steps=4, baseline=SPREAD)(model, images, targets)
    close(found, expected * (images - SPREAD))


def test_a_baseline_is_a_number_a_channel_or_an_image(functional, images, targets):
    whole = np.full((12, 12, 2), 0.25)
    settings = (0.25, [0.25, 0.25], whole.tolist())
    maps = [
        ex.IntegratedGradients(steps=2, baseline=baseline)(functional, images, targets)
        for baseline in settings
    ]
    for other in maps[1:]:
        np.testing.assert_array_equal(other, maps[0])


def test_an_image_that_is_its_own_baseline_has_a_map_of_zeros(functional, images, targets):
    explainer = ex.IntegratedGradients(steps=3, baseline=images[0])
    maps = explainer(functional, images[:2], targets[:2])
    assert not maps[0].any()
    assert maps[1].any()


def test_a_baseline_is_shown_whole_and_told_apart_by_its_content():
    image = np.random.default_rng(0).normal(size=(40, 40, 2))
    one, same = ex.IntegratedGradients(baseline=image), ex.IntegratedGradients(baseline=image + 0)
    image[20, 20, 1] += 1
    other = ex.IntegratedGradients(baseline=image)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert repr(one) == repr(same) != repr(other)
    assert "baseline=0.0" in repr(ex.IntegratedGradients(baseline=0))


@pytest.mark.parametrize("baseline", [np.zeros(3), np.zeros((11, 12, 2)), np.zeros((1, 12, 12, 2))])
def test_a_baseline_of_another_shape_is_refused(functional, images, targets, baseline):
    explainer = ex.IntegratedGradients(steps=1, baseline=baseline)
    with pytest.raises(ValueError, match=r"baseline must fit images \(12, 12, 2\); got shape"):
        explainer(functional, images, targets)


# ---------------------------------------------------------------- BlurIG


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.7, 3.3, 50.0])
def test_blurs_are_those_of_scipy(sigma):
    image = np.random.default_rng(0).normal(size=(12, 9))
    down, across = (blurs(np.array([sigma]), size)[0] for size in image.shape)
    expected = gaussian_filter(image, sigma, mode="reflect", truncate=4.0)
    np.testing.assert_allclose(down @ image @ across.T, expected, atol=1e-12)


def test_sigmas_fall_by_equal_factors_to_zero():
    sigmas = BlurIG(steps=4, max_sigma=0.3 * 27).sigmas()
    np.testing.assert_allclose(sigmas, [8.1, 2.7, 0.9, 0.3, 0])
    np.testing.assert_allclose(BlurIG(steps=1).sigmas(), [50, 0])
    np.testing.assert_allclose(BlurIG(steps=2, max_sigma=0.1).sigmas(), [0.1, 0.1, 0])


def blurred(images, sigma):
    return np.stack([gaussian_filter(image, (sigma, sigma, 0)) for image in images])


def test_blur_ig_is_the_sum_over_the_pieces(model, gradients, images, targets):
    explainer = BlurIG(steps=3, max_sigma=4.0)
    path = [blurred(images.astype(np.float64), sigma) for sigma in explainer.sigmas()]
    expected = sum(
        gradients((start + stop) / 2, targets) * (stop - start) for start, stop in pairwise(path)
    )
    close(explainer(model, images, targets), expected)


def test_blur_ig_of_a_linear_model_is_weight_times_what_the_blur_takes(linear, scenes, slopes):
    explainer = BlurIG(steps=2, max_sigma=2.0)
    expected = slopes * (scenes[0] - blurred(scenes[0].astype(np.float64), 2.0))
    close(explainer(linear, *scenes), expected, 1e-5)
    np.testing.assert_allclose(
        explainer.reference(scenes[0]), blurred(scenes[0], 2.0), rtol=1e-4, atol=1e-5
    )


def test_an_image_without_a_change_has_nothing_to_blur(functional, targets):
    images = np.full((5, 12, 12, 2), 0.7, np.float32)
    np.testing.assert_allclose(BlurIG(steps=3)(functional, images, targets), 0, atol=1e-6)


def test_blur_ig_is_complete(functional, images, targets):
    assert complete(BlurIG(), functional, images, targets) < 0.05
    assert complete(BlurIG(steps=8), functional, images, targets) > 0.05


# ---------------------------------------------------------------- GuidedIG


def walked(explainer, gradients, image, target):
    """Guided IG of one image: inputs sorted by gradient, moved group by group."""
    way = (image - explainer.baseline).ravel().astype(np.float64)
    distance, steps = np.abs(way), explainer.steps
    group = 1 + int(explainer.fraction * (np.count_nonzero(distance) - 1))

    def gradient(done):
        place = (explainer.baseline + done * way).reshape(1, *image.shape)
        return gradients(place, np.array([target])).ravel()

    done, total = np.zeros(way.size), np.zeros(way.size)
    for step in range(1, steps + 1):
        most = min(1.0, step / steps + explainer.max_distance)
        moved = np.maximum(done, step / steps - explainer.max_distance)
        here = gradient(done)
        due = np.sum(distance * step / steps) - np.sum(distance * moved)
        queue = [i for i in np.argsort(np.abs(here)) if distance[i] > 0 and moved[i] < most]
        while due > 1e-9 and queue:
            bound = np.abs(here[queue[:group]]).max()  # those as small as the last one go too
            now = [i for i in queue if abs(here[i]) <= bound]
            queue = [i for i in queue if abs(here[i]) > bound]
            room = np.sum(distance[now] * (most - moved[now]))
            share = min(1.0, due / room)
            moved[now] += share * (most - moved[now])
            due -= share * room
        total += (here + gradient(moved)) / 2 * way * (moved - done)
        done = moved
    np.testing.assert_allclose(done[distance > 0], 1, atol=1e-6)
    return total.reshape(image.shape)


@pytest.mark.parametrize(
    "explainer",
    [
        GuidedIG(steps=6, max_distance=1.0),
        GuidedIG(steps=6, fraction=0.1, max_distance=0.1, baseline=-0.5),
        GuidedIG(steps=3, fraction=0.02),
    ],
)
def test_guided_ig_walks_the_path_of_small_gradients(
    functional, gradients, images, targets, explainer
):
    expected = [walked(explainer, gradients, *pair) for pair in zip(images, targets, strict=True)]
    close(explainer(functional, images, targets), np.stack(expected))


def test_guided_ig_without_freedom_is_the_trapezoid_on_the_line(functional, images, targets):
    line = ex.IntegratedGradients(steps=5, rule="trapezoid")(functional, images, targets)
    close(GuidedIG(steps=5, max_distance=0.0)(functional, images, targets), line)


def test_guided_ig_of_a_linear_model_is_exact(linear, scenes, slopes):
    for explainer in (GuidedIG(steps=3, max_distance=1.0), GuidedIG(steps=1, baseline=0.5)):
        expected = slopes * (scenes[0] - explainer.baseline)
        close(explainer(linear, *scenes), expected, 1e-5)


def test_guided_ig_leaves_inputs_at_the_baseline_alone(functional, images, targets):
    """Even if most of them are there: the others' path is not made straight by it."""
    dark = images * (np.random.default_rng(0).random(images.shape) < 0.1)
    free = GuidedIG(steps=4, max_distance=1.0)(functional, dark, targets)
    straight = GuidedIG(steps=4, max_distance=0.0)(functional, dark, targets)
    assert not free[dark == 0].any()
    assert not np.allclose(free, straight, rtol=0.01)
    assert not GuidedIG(steps=2)(functional, np.zeros_like(images), targets).any()


def test_guided_ig_near_the_line_is_nearly_complete(functional, images, targets):
    score = network.target_score(functional)
    wanted = score(images, targets) - score(np.zeros_like(images), targets)
    sums = GuidedIG()(functional, images, targets).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, wanted, atol=0.1 * np.abs(wanted).max())


# ---------------------------------------------------------------- batches, memory, bad input


@pytest.mark.parametrize(
    "explainer", [ex.IntegratedGradients(steps=5), BlurIG(steps=5), GuidedIG(steps=5)]
)
def test_paths_do_not_depend_on_the_batch(functional, images, targets, explainer):
    expected = explainer(functional, images, targets)
    with network.evaluating(3):
        bound = explainer.bind(functional)
    close(bound(images[::-1], targets[::-1])[::-1], expected)


@pytest.mark.parametrize("name", ["IntegratedGradients", "BlurIG", "GuidedIG"])
def test_memory_does_not_grow_with_the_steps(linear, scenes, name):
    """The peak of NumPy's memory at 80 steps is that at 10, but for less than 16 of the 70."""
    method = {"BlurIG": BlurIG, "GuidedIG": GuidedIG}.get(name, ex.IntegratedGradients)
    peaks = []
    for steps in (10, 80):
        bound = method(steps=steps).bind(linear)
        bound(*scenes)
        tracemalloc.start()
        bound(*scenes)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 16 * scenes[0].nbytes


@pytest.mark.parametrize(
    ("method", "settings", "rule"),
    [
        (BlurIG, {"steps": 0}, "steps must be at least 1; got 0"),
        (BlurIG, {"max_sigma": 0.0}, "max_sigma must be above 0 and finite; got 0.0"),
        (GuidedIG, {"steps": 0}, "steps must be at least 1; got 0"),
        (GuidedIG, {"fraction": 0.0}, r"fraction must be in \(0, 1\]; got 0.0"),
        (GuidedIG, {"max_distance": 2.0}, r"max_distance must be in \[0, 1\]; got 2.0"),
        (GuidedIG, {"baseline": np.nan}, "baseline must be finite; got nan"),
        (ex.IntegratedGradients, {"baseline": [0.0, np.nan]}, "baseline must be finite"),
    ],
)
def test_settings_are_checked(method, settings, rule):
    with pytest.raises(ValueError, match=rule):
        method(**settings)
