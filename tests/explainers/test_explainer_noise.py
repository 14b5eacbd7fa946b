"""SquareGrad, VarGrad, ExpectedGradients: moments and means over noise that is known beforehand."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.explainers.expected_gradients import ExpectedGradients
from saliency_bench.explainers.smoothgrad import SquareGrad, VarGrad
from saliency_bench.randomize import image_keys, stream

pytestmark = pytest.mark.usefixtures("seeded")


def close(found, expected, rtol=1e-4):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def noisy(images, samples, noise, seed=0):
    """The copies of each image `[N, samples, H, W, C]` that the seed and the image's key give."""
    copies = []
    for image, key in zip(images, image_keys(images), strict=True):
        random = stream("smoothgrad", seed, int(key))
        draws = random.standard_normal((samples, *image.shape), dtype=np.float32)
        copies.append(image + noise * np.ptp(image) * draws)
    return np.stack(copies)


def sampled_maps(base, model, images, targets, samples, noise):
    """The base's maps `[samples, N, H, W, C]` of the noisy copies, in float64."""
    copies = np.moveaxis(noisy(images, samples, noise), 1, 0)
    bound = base.bind(model)
    return np.stack([bound(copy, targets) for copy in copies]).astype(np.float64)


class Scaled(ex.Method):
    """A base whose maps are gradients of any size."""

    def __init__(self, size):
        self.size = size

    def bind(self, model):
        kernel = network.input_gradient(model)
        return lambda images, targets, *, keys=None: np.float32(self.size) * kernel(images, targets)


# ---------------------------------------------------------------- SquareGrad and VarGrad


def test_moments_are_those_of_the_samples(functional, images, targets):
    maps = sampled_maps(ex.Gradient(), functional, images, targets, 5, 0.3)
    settings = {"samples": 5, "noise": 0.3}
    square = SquareGrad(ex.Gradient(), **settings)(functional, images, targets)
    variance = VarGrad(ex.Gradient(), **settings)(functional, images, targets)
    close(square, (maps**2).mean(axis=0))
    close(variance, maps.var(axis=0))
    mean = ex.SmoothGrad(ex.Gradient(), **settings)(functional, images, targets)
    close(mean, maps.mean(axis=0))
    close(variance, np.float64(square) - np.float64(mean) ** 2)


def test_a_linear_model_has_no_variance_whatever_its_mean(linear, scenes, slopes):
    assert not VarGrad(ex.Gradient(), samples=4)(linear, *scenes).any()
    assert not VarGrad(Scaled(1e6), samples=4)(linear, *scenes).any()
    close(SquareGrad(ex.Gradient(), samples=4)(linear, *scenes), slopes**2, 1e-5)


def test_one_sample_has_a_square_and_no_variance(functional, images, targets):
    assert not VarGrad(ex.Gradient(), samples=1)(functional, images, targets).any()
    one = ex.SmoothGrad(ex.Gradient(), samples=1)(functional, images, targets)
    close(SquareGrad(ex.Gradient(), samples=1)(functional, images, targets), one**2, 1e-6)


def test_variance_is_not_lost_beside_a_large_mean(functional, images, targets):
    """In float32 the mean's square, 1e8, would swallow it."""

    class Raised(ex.Method):
        def bind(self, model):
            kernel = network.input_gradient(model)
            return lambda images, targets, *, keys=None: kernel(images, targets) + 1e4

    raised = VarGrad(Raised(), samples=5)(functional, images, targets)
    plain = VarGrad(ex.Gradient(), samples=5)(functional, images, targets)
    assert np.abs(raised - plain).max() < 0.02 * plain.max()


@pytest.mark.parametrize("size", [3e-21, 1e25])
@pytest.mark.parametrize("method", [SquareGrad, VarGrad])
def test_squares_beyond_float32_come_in_their_own_unit(functional, images, targets, method, size):
    found = method(Scaled(size), samples=4)(functional, images, targets)
    plain = method(ex.Gradient(), samples=4)(functional, images, targets)
    peaks = plain.max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(found.max(axis=(1, 2, 3)), 1, rtol=1e-6)
    close(found, plain / peaks)


def test_moments_are_unsigned_and_else_as_their_base():
    for method in (SquareGrad, VarGrad):
        explainer = method(ex.IntegratedGradients())
        assert (explainer.signed, explainer.stochastic) == (False, True)
        assert explainer.multiplies_input
        assert not method(ex.Occlusion()).uses_gradients
        with pytest.raises(ValueError, match="samples must be at least 1; got 0"):
            method(ex.Gradient(), samples=0)
        with pytest.raises(ValueError, match=r"noise must be at least 0; got -0.1"):
            method(ex.Gradient(), noise=-0.1)


def test_a_failing_base_is_heard(functional, images, targets):
    """Noise is made in a second thread while the base runs."""

    class Failing(ex.Method):
        def bind(self, model):
            def bound(images, targets, *, keys=None):
                raise ValueError("base is broken")

            return bound

    with pytest.raises(ValueError, match="base is broken"):
        ex.SmoothGrad(Failing(), samples=40)(functional, images, targets)


# ---------------------------------------------------------------- ExpectedGradients


def drawn(images, explainer):
    """Each sample's reference and place, `[N, samples, ...]`, drawn in turn from the stream."""
    references, places = [], []
    for image, key in zip(images, image_keys(images), strict=True):
        random = stream("expected_gradients", explainer.seed, int(key))
        low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
        own = []
        for _ in range(explainer.samples):
            places.append(random.random(dtype=np.float32))
            if explainer.references is None:
                noise = random.random(image.shape, dtype=np.float32)
                own.append(low + noise * (high - low))
            else:
                own.append(explainer.references[random.integers(len(explainer.references))])
        references.append(own)
    shape = len(images), explainer.samples
    return np.array(references), np.array(places).reshape(*shape, 1, 1, 1)


def expected_gradients(explainer, model, images, targets):
    """The mean over samples, each evaluated by itself."""
    references, places = drawn(images, explainer)
    gradient, totals = network.input_gradient(model), np.zeros(images.shape)
    for sample in range(explainer.samples):
        reference, place = references[:, sample], places[:, sample]
        at = gradient(reference + place * (images - reference), targets)
        totals += at.astype(np.float64) * (images - reference)
    return totals / explainer.samples


def test_expected_gradients_are_the_mean_over_what_is_drawn(model, functional, images, targets):
    explainer = ExpectedGradients(samples=4)
    expected = expected_gradients(explainer, functional, images, targets)
    close(explainer(model, images, targets), expected)


def test_references_are_drawn_from_those_given(functional, images, targets):
    references = np.random.default_rng(5).normal(size=(3, 12, 12, 2))
    explainer = ExpectedGradients(samples=4, references=references)
    expected = expected_gradients(explainer, functional, images, targets)
    close(explainer(functional, images, targets), expected)


def test_expected_gradients_of_a_linear_model_are_exact(linear, scenes, slopes):
    """The place does not matter, so the map is the weight times the mean way."""
    explainer = ExpectedGradients(samples=6)
    references, _ = drawn(scenes[0], explainer)
    expected = slopes * (scenes[0] - references.mean(axis=1))
    close(explainer(linear, *scenes), expected, 1e-5)


def test_one_reference_is_integrated_gradients_from_it(functional, images, targets):
    """Random places instead of even ones."""
    baseline = np.full((12, 12, 2), 0.2)
    line = ex.IntegratedGradients(steps=200, baseline=baseline)(functional, images, targets)
    found = ExpectedGradients(samples=800, references=baseline[None])(functional, images, targets)
    assert np.abs(found - line).max() < 0.1 * np.abs(line).max()


def test_expected_gradients_are_complete_in_expectation(functional, images, targets):
    references = np.random.default_rng(6).normal(size=(8, 12, 12, 2)).astype(np.float32)
    maps = ExpectedGradients(samples=1500, references=references)(functional, images, targets)
    score = network.target_score(functional)
    start = np.mean([score(np.stack([r] * 5), targets) for r in references], axis=0)
    wanted = score(images, targets) - start
    assert np.abs(maps.sum(axis=(1, 2, 3)) - wanted).max() < 0.1 * np.abs(wanted).max()


def test_references_are_read_from_a_file_and_told_apart_by_content(tmp_path, linear, scenes):
    references = np.random.default_rng(7).normal(size=(3, 6, 7, 2)).astype(np.float32)
    np.savez(tmp_path / "some.npz", x=references)
    given, read = (
        ExpectedGradients(samples=2, references=source)
        for source in (references, str(tmp_path / "some.npz"))
    )
    np.testing.assert_array_equal(given(linear, *scenes), read(linear, *scenes))
    assert given == read
    assert repr(given) == repr(read)
    assert hash(given) == hash(read)
    others = ExpectedGradients(samples=2, references=references + 1), ExpectedGradients(samples=2)
    assert len({repr(explainer) for explainer in (given, *others)}) == 3


def test_a_constant_channel_has_no_range_and_no_attribution(functional, images, targets):
    flat = images.copy()
    flat[..., 1] = 0.5
    maps = ExpectedGradients(samples=3)(functional, flat, targets)
    assert not maps[..., 1].any()
    assert maps[..., 0].any()


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"samples": 0}, "samples must be at least 1; got 0"),
        ({"references": np.zeros((6, 7, 2))}, r"references must be finite images .*\(6, 7, 2\)"),
        ({"references": np.full((1, 6, 7, 2), np.nan)}, "references must be finite images"),
        ({"references": "nowhere.npz"}, "references must be an .npz file that exists; got nowhere"),
    ],
)
def test_expected_gradients_settings_are_checked(settings, rule):
    with pytest.raises(ValueError, match=rule):
        ExpectedGradients(**settings)


def test_references_must_be_images_like_those_explained(tmp_path, linear):
    np.savez(tmp_path / "other.npz", y=np.zeros(3))
    with pytest.raises(ValueError, match="an array x; got"):
        ExpectedGradients(references=str(tmp_path / "other.npz"))
    explainer = ExpectedGradients(references=np.zeros((2, 5, 7, 2)))
    with pytest.raises(ValueError, match=r"references must be images \(6, 7, 2\); got shape"):
        explainer.bind(linear)


# ---------------------------------------------------------------- noise belongs to the image

STOCHASTIC = [
    SquareGrad(ex.GradientInput(), samples=5), VarGrad(ex.GradientInput(), samples=5),
    ExpectedGradients(samples=5),
]  # fmt: skip
named = pytest.mark.parametrize("explainer", STOCHASTIC, ids=lambda e: type(e).__name__)


@named
def test_noise_is_the_same_in_any_batch_and_order(linear, scenes, explainer):
    images, targets = scenes
    expected = explainer(linear, images, targets)
    with network.evaluating(3):
        bound = explainer.bind(linear)
    close(bound(images[::-1], targets[::-1])[::-1], expected)
    close(bound(images[2:3], targets[2:3]), expected[2:3])


@named
def test_noise_follows_keys_and_seed(linear, scenes, explainer):
    keys, bound = np.arange(4), explainer.bind(linear)
    maps = bound(*scenes, keys=keys)
    np.testing.assert_array_equal(bound(*scenes, keys=keys), maps)
    assert not np.allclose(bound(*scenes, keys=keys + 9), maps)
    assert not np.allclose(replace(explainer, seed=1)(linear, *scenes, keys=keys), maps)


@named
def test_memory_does_not_grow_with_the_samples(linear, scenes, explainer):
    """The peak of NumPy's memory at 160 samples is that at 40."""
    peaks = []
    for samples in (40, 160):
        bound = replace(explainer, samples=samples).bind(linear)
        bound(*scenes)
        tracemalloc.start()
        bound(*scenes)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The batch that the second thread makes may be there or not.
    assert peaks[1] < peaks[0] + 2 * 32 * scenes[0][0].nbytes
