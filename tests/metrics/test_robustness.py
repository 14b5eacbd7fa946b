"""Identities of explainers whose change is known, on networks whose change is known."""

import numpy as np
import pytest

from saliency_bench import metrics
from saliency_bench.metrics.robustness import LOST
from saliency_bench.protocols import NotApplicable
from saliency_bench.protocols.metrics import VALUE
from saliency_bench.randomize import image_keys

ALL = [
    metrics.MaxSensitivity(samples=4),
    metrics.MaxSensitivity(samples=4, matched=False),
    metrics.RelativeStability(samples=4),
    metrics.RelativeStability(samples=4, wrt="output"),
]


def linear(shape, weights, bias=None):
    """f(x) = x . weights + bias, `weights` `[pixels, classes]`."""
    import keras

    model = keras.Sequential([
        keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(weights.shape[1]),
    ])  # fmt: skip
    model.layers[-1].set_weights([weights, np.zeros(weights.shape[1]) if bias is None else bias])
    return model


@pytest.fixture(scope="module")
def grey():
    rng = np.random.default_rng(3)
    model = linear((6, 6, 1), rng.normal(size=(36, 3)), np.array([30.0, 0, 0]))  # class 0 is safe
    return model, rng.normal(size=(5, 6, 6, 1)).astype(np.float32)


def score_map(model):
    """Every pixel is the logit of the target."""

    def explain(images, targets, keys=None):
        scores = model(images).numpy()[np.arange(len(images)), targets]
        return np.ones_like(images[..., :1]) * scores[:, None, None, None]

    return explain


def itself(images, targets, keys=None):
    return images


def values(metric, model, images, explain, *, keys=None, targets=None, whole=False):
    targets = np.zeros(len(images), np.int64) if targets is None else targets
    keys = image_keys(images) if keys is None else keys
    bound = metric.bind(model)
    ask = bound.measure if whole else bound
    return ask(explain(images, targets, keys), images, targets, explain=explain, keys=keys)


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_a_constant_explainer_is_the_best_of_all(grey, metric):
    model, images = grey
    found = values(metric, model, images, lambda x, targets, keys: np.ones_like(x))
    assert found.tolist() == [0] * 5
    assert metric.direction == "lower"
    assert "constant explainer" in metric.remark


def test_a_map_that_is_its_image_changes_as_the_image_does(grey):
    model, images = grey
    found = values(metrics.RelativeStability(samples=6), model, images, itself)
    np.testing.assert_allclose(found, 1, rtol=1e-12)


def test_a_map_that_is_the_logit_changes_as_the_logit_does(grey):
    """||E'- E|| / ||E|| is |f' - f| / |f|, and per logit 1 / |f|."""
    model, images = grey
    found = values(metrics.MaxSensitivity(), model, images, score_map(model))
    np.testing.assert_allclose(found * np.abs(model(images).numpy()[:, 0]), 1, rtol=1e-5)


def test_of_one_logit_the_change_of_the_output_is_that_of_both_its_classes():
    """One unit z has the classes [-z, z], so that the norm of the change is sqrt(2) |z' - z|."""
    rng = np.random.default_rng(1)
    model = linear((4, 4, 1), rng.normal(size=(16, 1)), np.array([20.0]))
    images = rng.normal(size=(3, 4, 4, 1)).astype(np.float32)
    found = values(
        metrics.RelativeStability(wrt="output"), model, images,
        lambda x, targets, keys: np.ones_like(x) * model(x).numpy()[:, :, None, None],
    )  # fmt: skip
    expected = 1 / (np.sqrt(2) * np.abs(model(images).numpy()[:, 0]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_unmatched_sensitivity_is_the_largest_relative_change_seen(grey):
    model, images = grey
    seen = []

    def explain(x, targets, keys=None):
        seen.append(x)
        return x**3

    found = values(metrics.MaxSensitivity(samples=5, matched=False), model, images, explain)
    assert len(seen) == 1 + 5
    cubes = np.array(seen, np.float32) ** 3
    changes = np.linalg.norm((cubes[1:] - cubes[0]).astype(float).reshape(5, 5, -1), axis=-1)
    size = np.linalg.norm(cubes[0].astype(float).reshape(5, -1), axis=-1)
    np.testing.assert_allclose(found, changes.max(axis=0) / size, rtol=1e-6)


def test_noise_stays_within_its_share_of_the_range_and_fills_it(grey):
    model, images = grey
    seen = []
    images = images * np.array([1, 10, 0.1, 1e3, 1])[:, None, None, None].astype(np.float32)
    values(
        metrics.MaxSensitivity(radius=0.1, samples=20), model, images,
        lambda x, targets, keys: seen.append(x) or x,
    )  # fmt: skip
    noise = np.abs(np.array(seen[1:]) - images).max(axis=(0, 2, 3, 4))
    share = noise / np.ptp(images, axis=(1, 2, 3))
    assert (share <= 0.1 + 1e-6).all()
    assert (share > 0.099).all()


def test_samples_of_another_class_do_not_count_and_are_counted(grey):
    """The two logits are +-sum(x), so that a sample is lost where the sign of the sum turns."""
    model = linear((2, 2, 1), np.array([[1.0, -1.0]] * 4))
    near, far = [0.5, -0.5, 0.3, -0.29], [0.5, 0.6, 0.3, 0.2]
    images = np.array([near, far], np.float32).reshape(2, 2, 2, 1)
    seen = []

    def explain(x, targets, keys=None):
        seen.append(x)
        turned = x.sum(axis=(1, 2, 3), keepdims=True) < 0
        return np.where(turned, 1e6, 1.0) * np.ones_like(x)

    found = values(
        metrics.MaxSensitivity(samples=30), model, images, explain, whole=True,
    )  # fmt: skip
    lost = (np.array(seen[1:]).sum(axis=(2, 3, 4)) < 0).mean(axis=0)
    assert 0 < lost[0] < 1
    np.testing.assert_allclose(found[LOST], lost)
    assert found[LOST][1] == 0
    assert found[VALUE].tolist() == [0, 0]  # the map of the kept samples never changes


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_an_image_that_keeps_no_sample_is_undefined(metric):
    """The first class leads at the image itself alone: the other counts every deviation."""
    import keras

    images = np.linspace(0, 1, 4, dtype=np.float32).reshape(1, 2, 2, 1)
    pixels = keras.Input((2, 2, 1))
    off = keras.ops.sum(keras.ops.abs(pixels - images), axis=(1, 2, 3))
    model = keras.Model(pixels, keras.ops.stack([off * 0 + 1e-5, off], axis=-1))
    found = values(metric, model, images, itself, whole=True)
    assert found[LOST] == [1]
    assert np.isnan(found[VALUE]).all()


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_maps_of_zeros_and_constant_images_are_undefined(grey, metric):
    model, images = grey
    images = images.copy()
    images[2] = 0.7

    def explain(x, targets, keys=None):
        return np.where(np.arange(len(x))[:, None, None, None] == 1, 0, x)

    found = values(metric, model, images, explain)
    assert np.isnan(found).tolist() == [False, True, True, False, False]


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_a_map_that_is_not_finite_on_a_sample_is_undefined(grey, metric):
    model, images = grey
    calls = []

    def explain(x, targets, keys=None):
        calls.append(x)
        spoilt = (np.arange(len(x)) == 3)[:, None, None, None] & (len(calls) == 2)
        return np.where(spoilt, np.nan, x)

    found = values(metric, model, images, explain)
    assert np.isnan(found).tolist() == [False, False, False, True, False]


def test_a_logit_that_does_not_move_leaves_the_matched_sensitivity_undefined():
    images = np.random.default_rng(0).normal(size=(2, 3, 3, 1)).astype(np.float32)
    model = linear((3, 3, 1), np.zeros((9, 2)), np.array([1.0, 0]))
    assert np.isnan(values(metrics.MaxSensitivity(), model, images, itself)).all()
    assert (values(metrics.MaxSensitivity(matched=False), model, images, itself) > 0).all()
    # Divided by the least change, 1e-6, it is large and finite.
    large = values(metrics.RelativeStability(wrt="output"), model, images, itself)
    assert ((large > 1e3) & np.isfinite(large)).all()


@pytest.mark.parametrize("metric", ALL, ids=repr)
@pytest.mark.parametrize("factor", [2.0**-70, 2.0**40])
def test_the_scale_of_the_maps_does_not_count(grey, metric, factor):
    model, images = grey
    one, other = (
        values(metric, model, images, lambda x, targets, keys, by=by: by * x**3)
        for by in (np.float32(1), np.float32(factor))
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_a_value_depends_on_its_own_row_alone(grey, metric):
    """Logits round differently in other batches, by their last bits."""
    model, images = grey
    keys, order = np.arange(5) + 2**40, [4, 2, 0, 1, 3]

    def explain(x, targets, keys=None):
        return x**3

    whole = values(metric, model, images, explain, keys=keys)
    shuffled = values(metric, model, images[order], explain, keys=keys[order])
    np.testing.assert_allclose(shuffled, whole[order], rtol=1e-4)
    alone = [
        values(metric, model, images[row : row + 1], explain, keys=keys[row : row + 1])[0]
        for row in range(5)
    ]
    np.testing.assert_allclose(alone, whole, rtol=1e-4)


def test_samples_depend_on_the_key_and_the_seed(grey):
    model, images = grey
    found = [
        values(metrics.MaxSensitivity(samples=3, seed=seed), model, images, itself, keys=keys)
        for seed, keys in ((0, np.arange(5)), (0, np.arange(5)), (1, np.arange(5)), (0, np.ones(5)))
    ]
    assert np.array_equal(found[0], found[1])
    assert not np.isclose(found[0], found[2]).any()
    assert np.isclose(found[0], found[3]).tolist() == [False, True, False, False, False]


def test_the_explainer_gets_the_targets_and_the_keys_of_the_images(grey):
    model, images = grey
    targets, keys, got = np.array([0, 1, 2, 0, 1]), np.arange(5) * 11, []

    def explain(x, t, k=None):
        got.append((t.tolist(), k.tolist()))
        return x

    values(metrics.MaxSensitivity(samples=2), model, images, explain, keys=keys, targets=targets)
    assert got == [(targets.tolist(), keys.tolist())] * 3


@pytest.mark.parametrize("kind", [metrics.MaxSensitivity, metrics.RelativeStability])
@pytest.mark.parametrize("radius", [0, -0.1, np.nan, np.inf])
def test_a_radius_of_zero_is_refused(kind, radius):
    with pytest.raises(ValueError, match=r"^radius must be above 0, as a share of .*; got [^\n]*$"):
        kind(radius=radius)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="samples must be at least 1; got 0"):
        metrics.MaxSensitivity(samples=0)
    with pytest.raises(ValueError, match="wrt must be input or output; got 'hidden'"):
        metrics.RelativeStability(wrt="hidden")


def test_without_an_explainer_it_does_not_apply(grey):
    model, images = grey
    with pytest.raises(NotApplicable, match="there is no explainer"):
        metrics.MaxSensitivity().bind(model)(images, images, np.zeros(5, np.int64))


def test_maps_of_another_shape_are_refused(grey):
    model, images = grey
    with pytest.raises(
        ValueError, match=r"like those it explains, \(5, 6, 6, 1\); got \(5, 3, 3, 1\)"
    ):
        metrics.MaxSensitivity().bind(model)(
            images, images, np.zeros(5, np.int64), explain=lambda x, t, k: x[:, ::2, ::2]
        )


@pytest.mark.parametrize("shape", [(28, 28, 1), (224, 224, 3)], ids=str)
def test_it_measures_an_explainer_of_ours(shape):
    """The gradient of a linear network never changes; gradient x input changes as its input."""
    import keras

    from saliency_bench import explainers

    pixels = keras.Input(shape)
    hidden = keras.layers.GlobalAveragePooling2D()(pixels)
    model = keras.Model(pixels, keras.layers.Dense(2, bias_initializer="ones")(hidden))
    model.layers[-1].set_weights([np.ones((shape[-1], 2)), np.array([9.0, 0])])
    images = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)

    def stability(explainer):
        bound = explainer.bind(model)
        return values(
            metrics.RelativeStability(samples=2), model, images,
            lambda x, t, k: bound(x, t, keys=k),
        )  # fmt: skip

    assert stability(explainers.Gradient()) == [0]
    assert stability(explainers.GradientInput()) == pytest.approx([1], rel=1e-5)
