"""Graded randomization: which weights are multiplied, by what noise, and how far its path goes."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from conftest import KINDS

import saliency_bench as sb
from saliency_bench import network as networks
from saliency_bench.checks import GradedRandomization
from saliency_bench.checks.graded_randomization import undecided
from saliency_bench.explainers import Gradient
from saliency_bench.inference import interval
from saliency_bench.inference.orders import order_of
from saliency_bench.outputs import Values
from saliency_bench.protocols import NotApplicable, Scene, Study
from saliency_bench.randomize import image_keys
from saliency_bench.similarities import Spearman

STATISTICS = {"moving_mean", "moving_variance"}


@pytest.fixture(scope="module")
def study_of(model_of, images, targets):
    def make(kind, **settings):
        network = networks.KerasNetwork(model_of(kind), batch_size=5)
        scene = Scene(images, targets, image_keys(images))
        return Study(network, scene, {}, {}, {}, **{"draws": 2, "seed": 7} | settings)

    return make


def noisy(study, **settings):
    """The conditions of a path that ends at 1, without the repeat."""
    return GradedRandomization(**{"largest": 1.0} | settings).conditions(study)[1:]


def weights_under(study, condition):
    with condition.applied(study.network, study.scene):
        return [variable.numpy() for variable in study.network.model.variables]


@pytest.mark.parametrize("kind", KINDS)
def test_every_trained_weight_is_multiplied_and_no_statistic(study_of, kind):
    study = study_of(kind)
    variables = study.network.model.variables
    before = [variable.numpy() for variable in variables]
    after = weights_under(study, noisy(study)[-1])
    for variable, old, new in zip(variables, before, after, strict=True):
        if variable.name in STATISTICS:
            assert np.array_equal(old, new)
        else:
            assert (old != new).mean() > 0.9
    assert all(np.array_equal(v.numpy(), old) for v, old in zip(variables, before, strict=True))


def test_noise_has_mean_one_and_the_stated_spread(study_of):
    study = study_of("sequential")
    for condition in noisy(study, draws=40)[:40] + noisy(study, draws=40)[-40:]:
        old = study.network.model.layers[0].kernel.numpy()
        new = weights_under(study, condition)[0]
        ratios = np.ravel(new / old)
        assert abs(ratios.mean() - 1) < 6 * condition.scale / ratios.size**0.5 + 1e-6
        assert ratios.std() == pytest.approx(condition.scale, rel=0.4)


def test_zeros_stay_and_a_variable_of_zeros_is_exempt_and_counted(study_of):
    study = study_of("functional")
    bias = study.network.model.get_layer("second").bias
    values = bias.numpy()
    try:
        bias.assign(np.zeros_like(values))
        fresh = Study(
            networks.KerasNetwork(study.network.model), study.scene, {}, {}, {}, draws=1
        )  # a network remembers the weights that it began with
        with noisy(fresh)[-1].applied(fresh.network, fresh.scene):
            assert not bias.numpy().any()
            assert fresh.network.evidence()["variables_exempt"] == 1
    finally:
        bias.assign(values)


def test_scales_are_evenly_spaced_and_depth_is_their_share(study_of):
    conditions = noisy(study_of("functional"), scales=4, draws=1)
    np.testing.assert_allclose([c.scale for c in conditions], np.linspace(0.001, 1, 4))
    np.testing.assert_allclose([c.depth for c in conditions], np.linspace(0.001, 1, 4))
    assert [c.stage for c in conditions] == [1, 2, 3, 4]


def test_draws_and_stages_have_noise_of_their_own_and_repeat(study_of):
    study = study_of("functional")
    first = [tuple(weights_under(study, c)[0].ravel() - 0) for c in noisy(study)]
    again = [tuple(weights_under(study, c)[0].ravel() - 0) for c in noisy(study)]
    assert first == again
    assert len(set(first)) == len(first)
    assert pickle.loads(pickle.dumps(noisy(study))) == noisy(study)


def learned(size=12, classes=4):
    """A network that names the brightest column band of an image, without training."""
    import keras

    images = np.random.default_rng(0).uniform(0, 0.1, (64, size, size, 1)).astype(np.float32)
    labels = np.arange(64) % classes
    width = size // classes
    for image, label in zip(images, labels, strict=True):
        image[:, label * width : (label + 1) * width] += 1
    model = keras.Sequential(
        [keras.Input((size, size, 1)), keras.layers.Flatten(), keras.layers.Dense(classes)]
    )
    kernel = np.zeros((size, size, classes), np.float32)
    for label in range(classes):
        kernel[:, label * width : (label + 1) * width, label] = 1
    model.layers[-1].set_weights([kernel.reshape(-1, classes), np.zeros(classes)])
    return model, images, labels


def test_the_path_ends_where_the_network_is_at_chance():
    model, images, labels = learned()
    network = networks.KerasNetwork(model)
    study = Study(network, Scene(images, labels, image_keys(images)), {}, {}, {}, labels, draws=3)
    check = GradedRandomization(margin=0.5)
    largest = check.conditions(study)[-1].scale
    line = 1 / 4 + 0.5 * 3 / 4

    def accuracy(scale):
        hits = []
        for draw in range(3):
            condition = GradedRandomization(largest=scale, draws=3).conditions(study)[-3 + draw]
            with condition.applied(network, study.scene):
                hits.append(network.outputs(images).argmax(axis=1) == labels)
        return np.mean(hits)

    assert accuracy(largest / 8) > line
    assert accuracy(4 * largest) < line + 0.2
    assert round(10 * largest) == pytest.approx(10 * largest)


def test_without_labels_chance_is_counted_by_the_untouched_prediction():
    model, images, labels = learned()
    scene = Scene(images, labels, image_keys(images))
    paths = [
        GradedRandomization(margin=0.5).conditions(
            Study(networks.KerasNetwork(model), scene, {}, {}, {}, known, draws=3)
        )
        for known in (labels, None)
    ]
    assert paths[0] == paths[1]


def test_a_single_output_needs_the_end_of_the_path():
    import keras

    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    images = np.ones((2, 4, 4, 1), np.float32)
    scene = Scene(images, np.zeros(2, np.int64), image_keys(images))
    study = Study(networks.KerasNetwork(model, output=Values()), scene, {}, {}, {})
    with pytest.raises(NotApplicable, match="set `largest`"):
        GradedRandomization().conditions(study)
    assert GradedRandomization(largest=2.0).conditions(study)[-1].scale == 2


def test_the_class_must_stay_the_same(study_of):
    with pytest.raises(NotApplicable, match="repredict"):
        GradedRandomization().conditions(study_of("functional", target="repredict"))


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"scales": 2}, "scales must be at least 3, to have an order; got 2"),
        ({"smallest": 0.0}, "smallest must lie between 0 and 0.2; got 0.0"),
        ({"largest": 0.001}, "largest must exceed smallest=0.001; got 0.001"),
        ({"margin": 1.0}, r"margin must be in \[0, 1\); got 1.0"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
    ],
)
def test_wrong_settings_are_refused_with_the_value_received(settings, rule):
    with pytest.raises(ValueError, match=rule):
        GradedRandomization(**settings)


@pytest.mark.parametrize(
    ("draws", "count", "scales", "judged"),
    [(3, 16, 5, False), (3, 72, 5, True), (4, 22, 5, True), (5, 8, 5, False), (5, 12, 5, True),
     (5, 8, 9, True)],
)  # fmt: skip
def test_a_verdict_needs_enough_to_tell_noise(study_of, draws, count, scales, judged):
    study = study_of("functional", draws=draws)
    scene = study.scene.rows(np.arange(count) % len(study.scene))
    found = GradedRandomization(scales=scales).expectation(replace(study, scene=scene))
    assert (found.no_verdict == "") == judged
    assert replace(found, no_verdict="") == GradedRandomization.declares


def test_what_would_be_enough_is_said(study_of):
    study = study_of("functional", draws=3)
    scene = study.scene.rows(np.arange(16) % len(study.scene))
    reason = GradedRandomization().expectation(replace(study, scene=scene)).no_verdict
    assert reason == (
        "3 draws and 16 images do not surely tell noise from an order of 5 scales: it takes 72 "
        "images, or 5 draws"
    )
    enough = replace(study, scene=study.scene.rows(np.arange(72) % len(study.scene)))
    assert GradedRandomization().expectation(enough).no_verdict == ""
    assert GradedRandomization(draws=5).expectation(replace(study, scene=scene)).no_verdict == ""


@pytest.mark.parametrize(("draws", "images"), [(3, 16), (4, 8)])
def test_how_often_noise_holds_the_line_is_as_simulated(draws, images):
    """400 runs of noise whose changes have no order, at five scales."""
    rng, weights = np.random.default_rng(0), np.full((1, draws, images), 1 / (draws * images))
    steps = np.broadcast_to(np.arange(5.0)[:, None, None], (5, draws, images))
    known, held = np.ones(steps.shape, bool), 0
    for _ in range(400):
        orders = order_of(rng.normal(size=steps.shape), steps, known)[None]
        held += not interval(orders, np.ones(1), weights).high < 0.5
    assert held / 400 == pytest.approx(undecided(draws, images, 5), abs=0.04)


def test_too_few_draws_are_told_before_the_run_and_leave_it_valid(caplog):
    model, images, labels = learned()
    results = sb.evaluate(
        model, images[:8], labels[:8], explainers={"gradient": Gradient()},
        checks=[GradedRandomization(largest=1.0, draws=3)],
        similarities={"spearman_abs": Spearman()},
    )  # fmt: skip
    assert "graded_randomization gives no verdict: 3 draws and 8 images" in caplog.text
    assert results.valid
    assert set(results.verdicts["verdict"]) == {""}
    area = results.summary.query("stage == -1 and explainer == 'gradient'")
    assert np.isfinite(area["mean"]).all()


def test_of_a_linear_model_the_gradient_follows_and_the_controls_do_not(tmp_path):
    """Its gradient is the weights: both move as the noise grows. The known answers all hold."""
    model, images, labels = learned()
    rng = np.random.default_rng(1)
    weights = [w + rng.normal(0, 0.1, w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    results = sb.evaluate(
        model, images[:16], labels[:16],
        explainers={"gradient": Gradient()},
        checks=[GradedRandomization(largest=1.0, scales=6, draws=5)],
        similarities={"spearman_signed": Spearman(absolute=False), "spearman_abs": Spearman()},
    )  # fmt: skip
    assert results.valid, results.problems
    found = results.verdicts.set_index("explainer")
    assert found.loc["gradient", "verdict"] == "pass"
    area = results.summary[results.summary["stage"] == -1].set_index("explainer")
    assert (area.loc[["edge_detector", "random_frozen"], "mean"] == 0).all()
    results.report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| rank correlation \\[95 % interval] |" in text
    assert "gradient: rank correlation" in text
    loaded = sb.Results.load(tmp_path)
    assert loaded.verdicts.equals(results.verdicts)
