"""Cosine convergence: what is handed back, the cosines, and which explainers have a rule."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import KINDS

import saliency_bench as sb
from saliency_bench import explainers as ex
from saliency_bench import network as networks
from saliency_bench.checks import CosineConvergence, ParameterRandomization
from saliency_bench.checks.cosine_convergence import ChannelCosine, Relevance
from saliency_bench.protocols import NotApplicable, Scene, Study
from saliency_bench.randomize import image_keys, stream

COSINE = ChannelCosine()
METHODS = (
    ex.Gradient(), ex.GuidedBackprop(), ex.Deconvnet(), ex.DeepLIFT(), ex.LRP(),
    ex.LRP(rule="z_plus"), ex.LRP(rule="alpha_beta"),
)  # fmt: skip


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(0)


def noise_of(keys, scores):
    return np.stack([stream("relevance", int(k)).standard_normal(scores, np.float32) for k in keys])


def colour(*, positive=False, depth=4, classes=5):
    """A network for colour images; with positive weights every rule of parts is the gradient."""
    keras.utils.set_random_seed(5)
    layers = [keras.layers.Dense(24, activation="relu") for _ in range(depth)]
    model = keras.Sequential(
        [
            keras.Input((10, 10, 3)),
            keras.layers.Conv2D(6, 3, activation="relu"),
            keras.layers.Flatten(),
            *layers,
            keras.layers.Dense(classes),
        ]
    )
    if positive:
        model.set_weights([np.abs(w) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def photos(rng):
    return rng.uniform(0, 1, (6, 10, 10, 3)).astype(np.float32)


# ---------------------------------------------------------------- the measure


def test_the_cosine_of_channel_vectors_by_hand():
    one = np.array([[1.0, 0, 0], [1, 1, 0], [0, 3, 4]]).reshape(1, 3, 1, 3)
    two = np.array([[-2.0, 0, 0], [0, 1, 0], [5, 0, 0]]).reshape(1, 3, 1, 3)
    # |cos| is 1, 1/sqrt(2) and 0.
    found = COSINE.compare(COSINE.prepare(one), COSINE.prepare(two))
    assert found == pytest.approx(np.sqrt(0.5))


def test_scale_and_sign_of_every_vector_change_nothing(rng):
    maps, others = rng.normal(size=(2, 4, 5, 6, 8))
    factors = rng.normal(size=(4, 5, 6, 1)) * 1e-22
    one, two = (COSINE.compare(COSINE.prepare(m), COSINE.prepare(others))
                for m in (maps, maps * factors))  # fmt: skip
    np.testing.assert_allclose(one, two, atol=1e-6)
    same = COSINE.compare(COSINE.prepare(maps), COSINE.prepare(maps * factors))
    np.testing.assert_allclose(same, 1, atol=1e-6)


@pytest.mark.parametrize("channels", [3, 64, 512])
def test_random_vectors_have_the_cosine_of_their_dimension(rng, channels):
    """In 3 dimensions |cos| is uniform, so its median is 1/2; in many it is .6745 / sqrt(C)."""
    maps, others = rng.normal(size=(2, 1, 50, 50, channels))
    expected = 0.5 if channels == 3 else 0.6745 / channels**0.5
    found = COSINE.compare(COSINE.prepare(maps), COSINE.prepare(others))
    assert found == pytest.approx(expected, rel=0.08)


def test_positions_without_relevance_are_left_out_and_maps_without_any_are_undefined(rng):
    maps = rng.normal(size=(2, 3, 3, 4))
    holes = maps.copy()
    holes[0, 0] = 0
    holes[1] = 0
    prepared = COSINE.prepare(holes)
    assert prepared.defined.tolist() == [True, False]
    found = COSINE.compare(COSINE.prepare(maps), prepared)
    assert found[0] == pytest.approx(1)
    assert np.isnan(found[1])


# ---------------------------------------------------------------- what is handed back


def test_of_a_gradient_it_is_the_jacobian_transposed_times_the_noise(photos):
    model, keys = colour(), image_keys(photos)
    found = Relevance(ex.Gradient()).bind(model)(photos, np.zeros(len(photos), int), keys=keys)
    images = tf.constant(photos)
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = model(images)
    expected = tape.gradient(scores, images, noise_of(keys, 5)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "rule",
    [
        None,
        networks.rescale(lambda shape: np.zeros(shape, np.float32)),
        networks.Relevance(lambda place, layer: networks.Epsilon(1e-6)),
        networks.Relevance(lambda place, layer: networks.ZPlus()),
    ],
    ids=["gradient", "rescale", "epsilon", "z_plus"],
)
def test_rules_that_look_at_no_sign_are_linear_in_the_noise(photos, rule):
    kernel = networks.HandedBack(colour(), "logit", rule)
    first, second = np.random.default_rng(1).normal(size=(2, len(photos), 5))
    one, two, both = (kernel(photos, lambda k, n=n: n) for n in (first, second, first + second))
    size = max(np.abs(both).max(), np.abs(one).max())
    np.testing.assert_allclose(one + two, both, atol=1e-4 * size)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: f"{type(m).__name__}")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_hands_back_to_its_first_convolution(model_of, images, kind, method):
    """Its images have 2 channels, so the lowest layer with 3 is the convolution."""
    targets = np.zeros(len(images), int)
    found = Relevance(method).bind(model_of(kind))(images, targets)
    assert found.shape == (len(images), 10, 10, 4)
    same = Relevance(method).bind(model_of("functional"))(images, targets)
    np.testing.assert_allclose(found, same, rtol=1e-3, atol=1e-6 * np.abs(same).max())


def test_other_keys_are_other_noise_and_the_same_keys_the_same(photos):
    bound = Relevance(ex.Gradient()).bind(colour())
    targets, keys = np.zeros(len(photos), int), image_keys(photos)
    assert np.array_equal(bound(photos, targets), bound(photos, targets, keys=keys))
    assert not np.array_equal(bound(photos, targets), bound(photos, targets, keys=keys + 1))


def test_a_grey_network_of_dense_layers_hands_back_to_its_flat_input():
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 1)).astype(np.float32)
    found = Relevance(ex.Gradient()).bind(model)(images, np.zeros(3, int))
    assert found.shape == (3, 1, 1, 36)
    expected = noise_of(image_keys(images), 4) @ model.layers[-1].kernel.numpy().T
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-4, atol=1e-6)


def test_of_a_large_grid_evenly_spaced_positions_are_kept():
    model = keras.Sequential(
        [keras.Input((70, 40, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    )
    images = np.ones((2, 70, 40, 3), np.float32)
    assert Relevance(ex.Gradient()).bind(model)(images, np.zeros(2, int)).shape == (2, 24, 20, 3)


@pytest.mark.parametrize(
    "explainer", [ex.GradCAM(), ex.Occlusion(), ex.SmoothGrad(ex.Gradient()), ex.EdgeDetector()]
)
def test_explainers_without_a_rule_are_not_applicable(explainer):
    with pytest.raises(NotApplicable, match="no rule that hands relevance back"):
        Relevance(explainer).bind(colour())


def test_a_network_without_a_relu_cannot_be_guided(photos):
    model = keras.Sequential(
        [keras.Input((10, 10, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    with pytest.raises(NotApplicable, match="no ReLU"):
        Relevance(ex.GuidedBackprop()).bind(model)


# ---------------------------------------------------------------- the check


def study_of(model, images, **settings):
    scene = Scene(images, np.zeros(len(images), np.int64), image_keys(images))
    network = networks.KerasNetwork(model)
    return Study(network, scene, {}, {}, {}, **{"draws": 3} | settings)


def test_the_network_stays_and_the_keys_change(photos):
    study = study_of(colour(), photos)
    conditions = CosineConvergence().conditions(study)
    assert [(c.stage, c.draw) for c in conditions] == [(0, 0), (1, 0), (1, 1), (1, 2)]
    keys = []
    for condition in conditions:
        with condition.applied(study.network, study.scene) as scene:
            keys.append(tuple(scene.keys))
    assert len(set(keys)) == 4


def test_two_classes_hardly_have_a_direction(photos):
    with pytest.raises(NotApplicable, match="noise at 2 logits"):
        CosineConvergence().conditions(study_of(colour(classes=2), photos))


@pytest.mark.parametrize(
    ("settings", "rule"),
    [({"draws": 0}, "draws must be at least 1; got 0"),
     ({"threshold": 1.0}, r"threshold must be in \(0, 1\); got 1.0")],
)  # fmt: skip
def test_wrong_settings_are_refused_with_the_value_received(settings, rule):
    with pytest.raises(ValueError, match=rule):
        CosineConvergence(**settings)


@dataclass(frozen=True)
class Identity(ex.Gradient):
    """Hands noise back as it is: every position gets a vector of its own."""

    def handing_back(self, model):
        def explain(images, targets, *, keys=None):
            streams = (stream("identity", int(key)) for key in keys)
            return np.stack([s.standard_normal((8, 8, 3), np.float32) for s in streams])

        return explain


@pytest.fixture(scope="module")
def results(photos):
    """z_plus in a deep network of positive parts converges; the gradient's own rank is 5."""
    more = np.concatenate([photos, photos[::-1] ** 2])
    return sb.evaluate(
        colour(depth=8), more,
        explainers={
            "gradient": ex.Gradient(), "z_plus": ex.LRP(rule="z_plus"), "identity": Identity(),
            "grad_cam": ex.GradCAM(),
        },
        checks={"csc": CosineConvergence(), "param": ParameterRandomization(stages=4)},
        options=sb.Options(draws=3),
    )  # fmt: skip


def test_z_plus_fails_and_the_identity_passes(results):
    found = results.verdicts[results.verdicts["check"] == "csc"].set_index("explainer")["verdict"]
    assert found[["z_plus", "identity", "random_frozen", "random_fresh"]].tolist() == [
        "fail", "pass", "fail", "pass",
    ]  # fmt: skip
    assert results.valid, results.problems


def test_who_has_no_rule_is_not_applicable_under_this_check_alone(results):
    found = results.verdicts.set_index(["check", "explainer"])["verdict"]
    assert found["csc", "grad_cam"] == found["csc", "edge_detector"] == "not_applicable"
    assert found["param", "grad_cam"] != "not_applicable"
    assert found["param", "edge_detector"] == "fail"
    assert list(results.provenance["not_applicable"]) != []


def test_both_checks_are_told_by_their_own_numbers(results, tmp_path):
    results.report(tmp_path)
    text = " ".join((tmp_path / "report.md").read_text().split())
    assert "median |cos|" in text.replace("\\", "")
    assert "retained \\[95 % interval]" in text
    page = (tmp_path / "report.html").read_text()
    assert "hands back relevance whose median |cos| is" in page
    assert sb.Results.load(tmp_path).verdicts["verdict"].tolist() == (
        results.verdicts["verdict"].tolist()
    )


def test_the_cascade_beside_it_keeps_its_numbers(results, photos):
    more = np.concatenate([photos, photos[::-1] ** 2])
    alone = sb.evaluate(
        colour(depth=8), more,
        explainers={"gradient": ex.Gradient(), "z_plus": ex.LRP(rule="z_plus")},
        checks={"param": ParameterRandomization(stages=4)}, options=sb.Options(draws=3),
    )  # fmt: skip
    both = [
        r.summary[(r.summary["check"] == "param") & (r.summary["explainer"] == "z_plus")]
        for r in (results, alone)
    ]
    assert both[0].reset_index(drop=True).equals(both[1].reset_index(drop=True))
