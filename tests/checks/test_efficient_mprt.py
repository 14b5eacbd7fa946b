"""Efficient MPRT: the entropy of maps, the conditions, and a number without a verdict."""

import keras
import numpy as np
import pytest
from scipy import stats

import saliency_bench as sb
from saliency_bench import network as networks
from saliency_bench.checks import EfficientMPRT, ParameterRandomization
from saliency_bench.checks.efficient_mprt import REDRAWN, TWINS, EntropyRise
from saliency_bench.explainers import Gradient
from saliency_bench.protocols import Scene, Study, TrainedNetwork
from saliency_bench.randomize import image_keys

RISE = EntropyRise()


def entropy_by_scipy(values, bins=100):
    counts, _ = np.histogram(values, bins)
    return stats.entropy(counts)


def rise(maps, others):
    return RISE.compare(RISE.prepare(maps), RISE.prepare(others))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(size=(5, 14, 15, 3))


def test_the_entropy_is_scipys_of_a_histogram_of_the_summed_channels(noise):
    expected = [entropy_by_scipy(one.sum(axis=-1).ravel()) for one in noise]
    np.testing.assert_allclose(RISE.prepare(noise).values, expected)


def test_by_hand():
    """Of 4 values, half low and half high: ln 2. All apart: ln 4. So it doubles."""
    halves, apart = (np.reshape(v, (1, 2, 2, 1)) for v in ([0.0, 0, 1, 1], [0.0, 1, 2, 3]))
    assert RISE.prepare(halves).values == pytest.approx(np.log(2))
    assert RISE.prepare(apart).values == pytest.approx(np.log(4))
    assert rise(halves, apart) == pytest.approx(1)
    assert rise(apart, halves) == pytest.approx(-0.5)


@pytest.mark.parametrize("factor", [4.0, -8.0, 2.0**-60])
def test_scale_shift_and_sign_change_nothing(noise, factor):
    np.testing.assert_allclose(rise(noise, factor * noise), 0, atol=0.02)
    assert (rise(noise, noise) == 0).all()


def test_a_constant_map_and_one_that_is_not_finite_are_undefined(noise):
    flat, broken = np.ones_like(noise), np.where(noise > 2, np.nan, noise)
    assert np.isnan(rise(flat, noise)).all()
    assert np.isnan(rise(noise, flat)).all()
    assert not RISE.prepare(flat).defined.any()
    assert np.isnan(rise(noise, broken)).any()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((9, 9, 2)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).normal(size=(8, 9, 9, 2)).astype(np.float32)


class Trained:
    """Networks of this architecture; only their fingerprints are looked at."""

    regularizers, alike = (), ()

    def __init__(self, own, tmp_path):
        self.trained, self._own, self._folder = {}, own, tmp_path

    def __call__(self, name):
        mark = self._own if name.draw == 0 else f"twin {name.draw}"
        return TrainedNetwork(mark, self._folder / mark, 1.0, 1.0, 0.1)


def study_of(model, images, **settings):
    network = networks.KerasNetwork(model)
    scene = Scene(images, np.zeros(len(images), np.int64), image_keys(images))
    return Study(network, scene, {}, {}, {}, **{"draws": 2} | settings)


def test_twins_come_before_full_redraws(model, images, tmp_path):
    study = study_of(model, images, weights=Trained(networks.fingerprint(model), tmp_path))
    stages = [c.stage for c in EfficientMPRT(networks=4).conditions(study)]
    assert stages == [0, TWINS, TWINS, TWINS, REDRAWN, REDRAWN]
    redrawn = EfficientMPRT().conditions(study)[-1]
    assert redrawn.destroys
    assert {position for position, _ in redrawn.variables} == set(range(len(model.variables)))


def test_a_finished_network_has_no_twins_and_the_report_says_why(model, images):
    study = study_of(model, images)
    assert [c.stage for c in EfficientMPRT().conditions(study)] == [0, REDRAWN, REDRAWN]
    assert "no twins: it needs the training data" in EfficientMPRT().expectation(study).no_verdict
    alone = EfficientMPRT(networks=1)
    assert alone.expectation(study) == EfficientMPRT.declares


def test_a_network_that_its_training_does_not_give_has_no_twins(model, images, tmp_path):
    study = study_of(model, images, weights=Trained("another", tmp_path))
    with pytest.raises(ValueError, match="networks=1 goes without twins"):
        EfficientMPRT().conditions(study)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"bins": 1}, "bins must be at least 2; got 1"),
        ({"policy": "mine"}, "policy must be one of .*; got 'mine'"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
        ({"networks": 0}, "networks must be at least 1; got 0"),
    ],
)
def test_wrong_settings_are_refused_with_the_value_received(settings, rule):
    with pytest.raises(ValueError, match=rule):
        EfficientMPRT(**settings)


def test_the_cascade_beside_it_keeps_its_own_cell_of_the_repeat(model, images):
    results = sb.evaluate(
        model, images, explainers={"gradient": Gradient()},
        checks=[ParameterRandomization(draws=1), EfficientMPRT(draws=1)],
    )  # fmt: skip
    untouched = results.summary[results.summary["stage"] == 0]
    measured = untouched.groupby("check")["similarity"].unique().map(set)
    assert measured["efficient_mprt"] == {"entropy_rise"}
    assert measured["param_randomization"] >= {"spearman_signed", "ssim"}


def test_it_gives_a_number_and_no_verdict_everywhere(model, images, tmp_path):
    results = sb.evaluate(
        model, images, explainers={"gradient": Gradient()}, checks=[EfficientMPRT(draws=3)]
    )
    assert results.valid
    assert set(results.verdicts["verdict"]) == {""}
    assert set(results.summary["similarity"]) == {"entropy_rise"}
    area = results.summary[results.summary["stage"] == -1].set_index("explainer")
    assert (area.loc[["edge_detector", "random_frozen", "centre_prior"], "mean"] == 0).all()
    assert np.isnan(area.loc["constant", "mean"])
    statuses = results.scores.groupby("explainer", observed=True)["status"].unique()
    assert set(statuses["constant"]) == {"constant_reference"}
    assert area["retained"].isna().all()
    results.report(tmp_path)
    text = " ".join((tmp_path / "report.md").read_text().split())
    assert "efficient_mprt: every layer is redrawn. No verdict:" in text
    assert "Numbers without a verdict" in text
    assert "% of its map" not in (tmp_path / "report.html").read_text()
    assert (tmp_path / "tables/efficient_mprt.tex").read_text()
    assert sb.Results.load(tmp_path).summary["mean"].tolist() == pytest.approx(
        results.summary["mean"].tolist(), nan_ok=True
    )
