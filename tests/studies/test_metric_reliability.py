"""The study of metrics' reliability: answers, verdicts, controls, and what it measures."""

import numpy as np
import pandas as pd
import pytest

from experiments import __main__ as studies
from experiments.metric_reliability import __main__ as command
from experiments.metric_reliability import controls, evidence, figure
from experiments.metric_reliability.judged import (
    BELIEVED,
    NOT_BELIEVED,
    OPEN,
    Answer,
    judge,
    mean_interval,
)
from experiments.metric_reliability.variants import (
    CHANCE,
    DISTURBED,
    OWN,
    REDRAWN,
    RETEST,
    RETEST_CHANCE,
    SETTINGS,
    variants,
)
from saliency_bench import metrics
from saliency_bench.inference.intervals import Interval

RNG = np.random.default_rng
NAMES = ["gradient", "smoothgrad", "occlusion", "grad_cam", "guided_backprop"]
KNOWN = {"patch_oracle": "better", "inverted patch_oracle": "worse", "random_fresh": "not better"}


def table(base, names=NAMES, noise=0.01, seed=0, images=12):
    values = np.asarray(base, float) + RNG(seed).normal(0, noise, (images, len(names)))
    return pd.DataFrame(values, columns=names)


def sound(**changes):
    """A metric that orders five explainers in every variant, and finds a redrawn map worse."""
    order = np.arange(1.0, 6)
    found = {OWN: table(order), CHANCE: table(np.zeros(5), seed=1)}
    found |= {RETEST: table(order, seed=2), RETEST_CHANCE: table(np.zeros(5), seed=3)}
    found |= {"imputer blur": table(order, seed=4), DISTURBED: table(order, seed=5)}
    return found | {REDRAWN: table(np.zeros(5), seed=6)} | changes


def known(oracle=3.0, inverse=-3.0, noise=0.0):
    own = table([oracle, inverse, noise], list(KNOWN), seed=7)
    return {OWN: own, CHANCE: table(np.zeros(3), list(KNOWN), seed=8)}


def test_a_metric_that_passes_everything_is_believed():
    found = judge(sound(), known(), KNOWN)
    assert found.verdict == BELIEVED
    assert [a.question for a in found.answers] == [
        "images", "variants", "repetition", "disturbance", "redraw",
    ]  # fmt: skip
    assert [float(a.number.value) for a in found.answers] == pytest.approx([1] * 5)
    assert [control.result for control in found.controls] == ["right"] * 3
    assert list(found.reasons()) == []
    assert (found.n_images, found.n_explainers) == (12, 5)


@pytest.mark.parametrize(
    ("values", "results"),
    [
        (known(oracle=-1.0, inverse=-3.0), ["wrong", "right", "right"]),
        (known(oracle=1.0, inverse=2.0), ["right", "wrong", "right"]),
        (known(noise=1.0), ["right", "right", "wrong"]),
    ],
)
def test_a_wrong_control_is_enough(values, results):
    found = judge(sound(), values, KNOWN)
    assert [control.result for control in found.controls] == results
    assert found.verdict == NOT_BELIEVED
    assert len(list(found.reasons())) == 1


def test_a_variant_with_another_order_is_enough_and_named():
    turned = table(np.arange(5.0, 0, -1), seed=4)
    found = judge(sound(**{"imputer blur": turned}), known(), KNOWN)
    assert found.verdict == NOT_BELIEVED
    assert list(found.reasons()) == ["variants: imputer blur"]
    assert found.weakest("variants").number.value == pytest.approx(-1)


def test_without_a_control_nothing_is_believed_and_noise_in_an_answer_leaves_it_open():
    assert judge(sound(), known(), {}).verdict == OPEN
    assert list(judge(sound(), known(), {}).reasons()) == ["no control has a known result"]
    loose = judge(sound(**{RETEST: table(np.arange(1.0, 6), noise=4, seed=9)}), known(), KNOWN)
    assert (loose.verdict, list(loose.reasons())) == (OPEN, ["repetition open: seeds"])


def test_maps_that_survive_a_redraw_need_not_get_worse():
    redrawn = table(np.zeros(5), seed=6)
    redrawn["guided_backprop"] = 100.0
    found = judge(sound(**{REDRAWN: redrawn}), known(), KNOWN)
    assert found.weakest("redraw").number.value == 1
    assert found.meta.between_disruptive == pytest.approx(0.8)


def test_hits_and_misses_that_a_redraw_leaves_count_half():
    """Two thirds of the images are hit before and after, one third is lost: (2 * .5 + 1) / 3."""
    hits = pd.DataFrame(1.0, range(12), NAMES)
    lost = hits.where(pd.Series(range(12)) >= 4, 0.0)
    found = judge(sound(**{OWN: hits, REDRAWN: lost}), known(), KNOWN)
    assert found.weakest("redraw").number.value == pytest.approx(2 / 3)
    assert judge(sound(**{OWN: hits, REDRAWN: hits}), known(), KNOWN).weakest("redraw").said == "no"


def test_explainers_without_a_value_do_not_take_the_images_from_the_others():
    few = {what: own.copy() for what, own in sound().items()}
    few[OWN].loc[2:, "grad_cam"] = np.nan
    few[OWN].loc[0, "gradient"] = np.nan
    found = judge(few, known(), KNOWN)
    assert (found.n_images, found.n_explainers) == (11, 4)


def test_opposite_orders_are_compared_where_both_metrics_hide_with_the_same_imputer():
    partner = {OWN: table(np.arange(5.0, 0, -1)), "imputer fill 0": table(np.arange(5.0, 0, -1))}
    found = judge(sound(), known(), KNOWN, partner)
    said = {answer.what: answer.said for answer in found.answers}
    assert said["opposite order"] == "no"
    assert [*judge(sound(), known(), KNOWN, {OWN: partner[OWN]}).answers] == [
        *judge(sound(), known(), KNOWN).answers
    ]


@pytest.mark.parametrize(
    ("number", "said"),
    [((0.9, 0.7, 1), "yes"), ((0.7, 0.5, 0.9), "open"), ((0.2, 0, 0.6), "no"),
     ((0.65, 0.65, 0.65), "no"), ((np.nan,) * 3, "")],
)  # fmt: skip
def test_answers(number, said):
    assert Answer("variants", "fill", Interval(*map(np.asarray, number)), 0.65).said == said


def test_the_interval_of_a_mean_by_hand():
    """1 to 5: mean 3, standard error sqrt(2.5 / 5), t of 4 degrees of freedom 2.776."""
    found = mean_interval([1, 2, 3, 4, 5, np.nan])
    assert float(found.value) == 3
    assert float(found.high) == pytest.approx(3 + 2.776 * np.sqrt(0.5), abs=1e-3)
    assert np.isnan(mean_interval([1.0, 2, 3, 4]).value)


def test_smooth_noise_has_no_centre_and_is_smooth():
    maps = controls.smooth_noise((28, 28), np.arange(300))
    assert maps.shape == (300, 28, 28, 1)
    mean, spread = maps.mean(axis=0), maps.std()
    assert np.abs(mean).max() < 5 * spread / np.sqrt(300)
    beside = np.corrcoef(maps[:, :-1].ravel(), maps[:, 1:].ravel())[0, 1]
    assert beside > 0.8
    np.testing.assert_array_equal(controls.smooth_noise((28, 28), np.array([7]))[0], maps[7])


def test_a_disturbance_stays_in_its_range_and_depends_on_the_key_alone():
    images = RNG(0).random((3, 8, 8, 2)).astype(np.float32) * [[[[1, 10]]]]
    keys = np.array([5, 6, 5])
    moved = controls.disturbed(images, keys, 0.01) - images
    for noise, image in zip(moved, images, strict=True):
        assert 0.005 * np.ptp(image) < np.abs(noise).max() <= 0.01 * np.ptp(image) + 1e-6
    assert not np.allclose(moved[0], moved[1])
    alone = controls.disturbed(images[2:], keys[2:], 0.01) - images[2:]
    np.testing.assert_array_equal(alone[0], moved[2])


def test_every_variant_is_a_setting_of_its_metric_and_another_one():
    named = {"symmetric_relevance_gain": metrics.SymmetricRelevanceGain(), "road": metrics.ROAD(),
             "deletion": metrics.Deletion(), "insertion": metrics.Insertion(),
             "faithfulness_correlation": metrics.FaithfulnessCorrelation(),
             "infidelity": metrics.Infidelity(), "max_sensitivity": metrics.MaxSensitivity(),
             "relative_stability": metrics.RelativeStability(),
             "grid_pointing": metrics.GridPointing(), "relevance_rank": metrics.RelevanceRank(),
             "pointing_game": metrics.PointingGame(),
             "localization_auc": metrics.LocalizationAUC()}  # fmt: skip
    assert named.keys() == SETTINGS.keys()
    for name, metric in named.items():
        made = variants(name, metric)
        assert made
        assert all(own != metric for own in made.values())
    assert variants("gini", metrics.Gini()) == {}


def test_tables_and_figures_are_made_of_what_was_measured(tmp_path):
    """A folder as `measure` writes it, of one metric with controls and one without."""
    folder = tmp_path / "runs" / "mosaic"
    folder.mkdir(parents=True)
    (folder / "complete.txt").write_text("12 images\n")
    names = ("grid_pointing", "relevance_rank", "pointing_game", "localization_auc")
    own = {"own_region": 3.0, "inverted own_region": -3.0, "random_fresh": 0.0}
    every = {what: sound()[what] for what in sound() if what != "imputer blur"}
    every |= {"magnitude": table(np.arange(1.0, 6), seed=4)}
    for explainer in NAMES:
        write_rows(folder / f"{explainer}.csv", names, {w: t[explainer] for w, t in every.items()})
    for control, level in own.items():
        values = {OWN: pd.Series([level] * 12) + RNG(0).normal(0, 0.01, 12),
                  CHANCE: pd.Series(RNG(1).normal(0, 0.01, 12))}  # fmt: skip
        write_rows(folder / f"{control}.csv", names, values)
    evidence.write(["mosaic"], tmp_path / "runs", tmp_path / "kept")
    found = pd.read_csv(tmp_path / "kept" / "reliability.csv").set_index("metric")
    assert list(found.index) == list(names)
    assert (found["verdict"] == BELIEVED).all()
    assert (found[["n_images", "n_controls", "n_right"]] == [12, 3, 3]).all(axis=None)
    answers = pd.read_csv(tmp_path / "kept" / "answers.csv")
    assert set(answers["answer"]) == {"yes"}
    assert (tmp_path / "kept" / "verdicts.png").stat().st_size > 1000
    assert (tmp_path / "kept" / "answers.png").stat().st_size > 1000


def write_rows(path, names, values):
    rows = [
        pd.DataFrame({"metric": name, "variant": what, "image": range(12), "value": own})
        for name in names
        for what, own in values.items()
    ]
    pd.concat(rows).to_csv(path, index=False)


def test_an_unknown_network_is_named(capsys):
    assert command.main(["nope"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("a network must be one of cnn, mlp")
    assert line.endswith("got nope\n")


def test_every_network_has_a_preset():
    presets = {path.stem for path in (command.HERE / "experiment").glob("*.yaml")}
    named = {f"metric_reliability_{name}" for name in command.NETWORKS}
    assert {name for name in presets if not name.endswith("_base")} == named


def test_figures_have_a_colour_and_a_marker_for_each_network():
    assert min(len(figure.MARKERS), len(figure.PALETTE)) >= len(command.NETWORKS)


def test_a_study_without_expected_verdicts_has_its_own_command(monkeypatch, capsys):
    asked = []
    monkeypatch.setenv(studies.DATA, "elsewhere")
    monkeypatch.setattr(studies, "run_command", lambda study: asked.append(study) or 0)
    assert studies.main(["metric_reliability"]) == 0
    assert asked == ["metric_reliability"]
    assert capsys.readouterr().out == "metric_reliability: as expected\n"
