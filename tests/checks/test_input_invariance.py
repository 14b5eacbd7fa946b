"""Input invariance: what lies behind the shift, and which maps stay."""

import keras
import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import explainers as ex
from saliency_bench import network as networks
from saliency_bench.checks import InputInvariance
from saliency_bench.network.shift import with_baseline_shifted
from saliency_bench.protocols import Scene, Study
from saliency_bench.randomize import image_keys
from saliency_bench.report import view
from saliency_bench.report.text import plain_language
from saliency_bench.similarities import Closeness, Spearman

KINDS = ("sequential", "functional", "nested", "subclassed", "tf_function")


def study_with(model, images, targets):
    network = networks.KerasNetwork(model, batch_size=5)
    return Study(network, Scene(images, targets, image_keys(images)), {}, {}, {}, seed=7)


@pytest.fixture(scope="module")
def study_of(model_of, images, targets):
    studies = {}

    def make(kind):
        if kind not in studies:
            studies[kind] = study_with(model_of(kind), images, targets)
        return studies[kind]

    return make


@pytest.fixture
def study(study_of):
    return study_of("functional")


def at_stage(study, stage, **settings):
    return [c for c in InputInvariance(**settings).conditions(study) if c.stage == stage]


def explained(study, explainer, condition):
    """Closeness of the maps behind a shift."""
    bound, scene = study.network.bind(explainer), study.scene
    before = bound(scene.images, scene.targets, keys=scene.keys)
    with condition.applied(study.network, scene) as changed:
        after = bound(changed.images, changed.targets, keys=changed.keys)
    again = bound(scene.images, scene.targets, keys=scene.keys)
    np.testing.assert_array_equal(again, before)
    return Closeness()(before, after)


def test_shifts_are_numbers_and_one_image(study):
    span = study.scene.images.max() - study.scene.images.min()
    minus, half, image = (c.shift((12, 12, 2)) for c in at_stage(study, 2))
    np.testing.assert_array_equal(minus, np.full((12, 12, 2), -span, np.float32))
    np.testing.assert_array_equal(half, np.full((12, 12, 2), span / 2, np.float32))
    assert np.abs(image).max() <= span * (1 + 1e-6)
    assert image.std() == pytest.approx(span / 3**0.5, rel=0.1)  # uniform from -span to span
    np.testing.assert_array_equal(at_stage(study, 2)[2].shift((12, 12, 2)), image)


def test_only_numbers_shift_the_baseline(study):
    along, stays = at_stage(study, 1), at_stage(study, 2)
    assert [c.follows for c in (*along, *stays)] == [True] * 2 + [False] * 3
    assert [c.size for c in along] == [c.size for c in stays[:2]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_behind_the_shift_gives_the_same_outputs(study_of, kind):
    network, scene = study_of(kind).network, study_of(kind).scene
    logits = network.outputs(scene.images)
    for condition in at_stage(study_of(kind), 2):
        with condition.applied(network, scene) as changed:
            assert not np.allclose(changed.images, scene.images)
            np.testing.assert_allclose(network.outputs(changed.images), logits, atol=1e-4)
    np.testing.assert_array_equal(network.outputs(scene.images), logits)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "explainer", [ex.Gradient(), ex.GuidedBackprop(), ex.GradCAM(relu=False)], ids=repr
)
def test_gradients_are_kept_behind_every_shift(study_of, kind, explainer):
    for condition in at_stage(study_of(kind), 2):
        np.testing.assert_allclose(explained(study_of(kind), explainer, condition), 1, atol=1e-4)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_it_is_exact_for_any_padding(padding, images, targets):
    """Where a bias would be edited instead, the padded border would see another value."""
    given = keras.Input((12, 12, 2))
    hidden = keras.layers.Conv2D(4, 5, padding=padding, activation="relu")(given)
    model = keras.Model(given, keras.layers.Dense(3)(keras.layers.Flatten()(hidden)))
    study = study_with(model, images, targets)
    for condition in at_stage(study, 2):
        np.testing.assert_allclose(explained(study, ex.Gradient(), condition), 1, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_the_shift_is_taken_back_before_images_are_cast(policy, images, targets):
    """In float16 an image plus its range would lose its last bits."""
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu", dtype=policy),
        keras.layers.Flatten(dtype=policy),
        keras.layers.Dense(3, dtype=policy),
    ]
    model = keras.Sequential([keras.Input((12, 12, 2)), *layers])
    study = study_with(model, images, targets)
    for condition in at_stage(study, 2):
        np.testing.assert_allclose(explained(study, ex.Gradient(), condition), 1, atol=1e-3)


def test_a_product_with_the_input_moves_by_the_gradient_times_the_shift(study):
    """g (x + s) - g x = g s."""
    condition = at_stage(study, 2)[1]
    scene, network = study.scene, study.network
    product, slope = (network.bind(e) for e in (ex.GradientInput(), ex.Gradient()))
    before, gradient = (bound(scene.images, scene.targets) for bound in (product, slope))
    with condition.applied(network, scene) as changed:
        after = product(changed.images, changed.targets)
    np.testing.assert_allclose(after - before, gradient * condition.size, rtol=1e-3, atol=1e-4)


BASELINES = {
    "integrated gradients": ex.IntegratedGradients(steps=8),
    "a baseline per channel": ex.IntegratedGradients(steps=8, baseline=[0.5, -1.0]),
    "occlusion": ex.Occlusion(patch=4, stride=4),
    "deep lift": ex.DeepLIFT(),
    "below a wrapper": ex.ForGrad(ex.IntegratedGradients(steps=8)),
    "of noisy copies": ex.SmoothGrad(ex.IntegratedGradients(steps=4), samples=2, noise=0.0),
}


@pytest.mark.parametrize("explainer", BASELINES.values(), ids=BASELINES)
def test_a_baseline_that_shifts_along_keeps_the_map_and_one_that_stays_does_not(study, explainer):
    for along, stays in zip(at_stage(study, 1), at_stage(study, 2)[:2], strict=True):
        np.testing.assert_allclose(explained(study, explainer, along), 1, atol=2e-3)
        assert (explained(study, explainer, stays) < 0.9).all()


def test_an_explainer_without_baseline_stays_itself():
    for explainer in (ex.Gradient(), ex.Function(lambda model, images, targets: images)):
        assert with_baseline_shifted(explainer, 0.5) is explainer


def test_noise_in_units_of_the_range_is_kept_where_a_number_is_added(study):
    number, _, image = at_stage(study, 2)
    explainer = ex.SmoothGrad(ex.Gradient(), samples=4)
    np.testing.assert_allclose(explained(study, explainer, number), 1, atol=1e-3)
    assert (explained(study, explainer, image) < 0.999).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_callable_gets_the_network_behind_the_shift_with_its_weights(study_of, kind):
    study, seen = study_of(kind), []

    def first_two(model, images, targets):
        seen.append((type(model).__name__, networks.fingerprint(model)))
        return np.asarray(model(images))[:, None, None, :2] + 0 * images

    bound, scene = study.network.bind(ex.Function(first_two)), study.scene
    before = bound(scene.images, scene.targets)
    for condition in at_stage(study, 2):
        with condition.applied(study.network, scene) as changed:
            np.testing.assert_allclose(bound(changed.images, changed.targets), before, atol=1e-5)
    assert [name for name, _ in seen[1:]] == ["Shifted"] * 3
    assert len({weights for _, weights in seen}) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shifts": [0.0]}, "shifts must be finite and not 0"),
        ({"shifts": [np.inf]}, "shifts must be finite and not 0"),
        ({"shifts": [], "image": False}, "shifts must name at least one"),
        ({"tolerance": 0}, r"tolerance must be in \(0, 1\); got 0"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        InputInvariance(**settings)


@pytest.fixture(scope="module")
def results(model_of):
    images = np.random.default_rng(5).normal(size=(12, 12, 12, 2)).astype(np.float32)
    return sb.evaluate(
        model_of("subclassed"), images, checks=[InputInvariance()],
        explainers={
            "gradient": ex.Gradient(), "product": ex.GradientInput(),
            "magnitude": ex.InputMagnitude(), "ig": ex.IntegratedGradients(steps=4),
        },
        similarities={"spearman_abs": Spearman()},
    )  # fmt: skip


def test_every_control_gets_the_verdict_it_must_get(results):
    assert results.valid, results.problems
    verdicts = results.verdicts.set_index("explainer")
    expected = {
        "edge_detector": "fail", "magnitude": "fail", "centre_prior": "pass",
        "random_frozen": "pass", "weight_hash": "pass", "constant": "undefined",
        "random_fresh": "undefined",
    }  # fmt: skip
    assert verdicts.loc[list(expected), "control"].to_dict() == expected


def test_closeness_decides_whatever_was_asked_for(results):
    verdicts = results.verdicts.set_index("explainer")
    assert set(verdicts["similarity"]) == {"closeness"}
    assert verdicts.loc[["gradient", "product", "ig"], "verdict"].tolist() == [
        "pass",
        "fail",
        "fail",
    ]
    assert (
        "lies above the threshold 0.9990 (3 input shifts, 12 images)"
        in (verdicts.loc["gradient", "reason"])
    )
    others = results.summary[results.summary["similarity"] == "spearman_abs"]
    assert set(others["verdict"]) == {""}


def test_both_columns_are_there(results):
    own = results.summary[
        (results.summary["explainer"] == "ig") & (results.summary["similarity"] == "closeness")
    ].set_index("stage")
    assert own.loc[1, "mean"] > 0.99 > own.loc[2, "mean"]
    assert own.loc[-1, "mean"] == own.loc[2, "mean"]


def test_tables_and_sentences_lead_with_the_closeness(results, tmp_path):
    assert view.heading(results, "input_invariance") == "closeness"
    rows = {row.explainer: row for row in view.verdict_rows(results, "input_invariance")}
    assert rows["gradient"].retained.startswith("1.0000 [1.0000, ")
    said = plain_language.plain(results, "input_invariance")
    assert said["gradient"].startswith("gradient keeps a closeness of 1.0000 [1.0000, ")
    results.report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "closeness \\[95 % interval]" in text
    assert "retained \\[95 % interval]" not in text


def test_figures_show_the_images_without_a_shift(results):
    assert not results.examples.shown


def test_a_single_number_leaves_edges_as_they_are(study):
    controls = InputInvariance(image=False).expectation(study).controls
    assert controls["EdgeDetector"] == "pass"
    assert InputInvariance().expectation(study).controls["EdgeDetector"] == "fail"
