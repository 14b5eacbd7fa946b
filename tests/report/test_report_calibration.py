"""Calibration: a small study of maps of which a known share survives, told and drawn."""

import numpy as np
import pandas as pd
import pytest
from helpers.lazily import keras

import saliency_bench as sb
from saliency_bench.explainers import Gradient, Mixture
from saliency_bench.protocols import AREA
from saliency_bench.report.figures.calibration import dose_figure
from saliency_bench.report.figures.planned import plan_figures
from saliency_bench.report.text import markdown
from saliency_bench.report.text.calibration import dose_sentences, doses
from saliency_bench.results import Results
from saliency_bench.storage.longtable import KEYS, LongTable
from saliency_bench.study.defaults import default_similarities

CHECK = "param_randomization"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def calibrated():
    rng = np.random.default_rng(0)
    images = rng.random((12, 16, 16, 1)).astype(np.float32)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(3, 3, activation="relu"), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((16, 16, 1)), *layers, keras.layers.Dense(3)])
    mixtures = {f"mixture_{share:g}": Mixture(share) for share in SHARES}
    ranks = {n: s for n, s in default_similarities().items() if n.startswith("spearman")}
    return sb.evaluate(
        model, images, None, explainers={"gradient": Gradient(), **mixtures}, similarities=ranks
    )


@pytest.mark.parametrize("similarity", ["spearman_signed", "spearman_abs"])
def test_retained_rises_with_the_share_and_finds_it(calibrated, similarity):
    """One interval in twenty may miss, and these share their noise: twice its width may not."""
    found = doses(calibrated, CHECK, similarity)
    assert found.index.tolist() == list(SHARES)
    assert found["retained"].is_monotonic_increasing
    assert (abs(found["retained"] - found.index) <= found["high"] - found["low"] + 1e-6).all()
    np.testing.assert_allclose(found["retained"], SHARES, atol=0.05)


def test_it_is_told_and_drawn(calibrated):
    assert calibrated.provenance["doses"] == {f"mixture_{share:g}": share for share in SHARES}
    signed, absolute = dose_sentences(calibrated, CHECK)
    assert "rises monotonically" in signed
    for line, threshold in ((signed, 0.15), (absolute, 0.25)):
        found = line.split(f"Its threshold {threshold} sits at a share of ")[1].rstrip(".")
        assert float(found) == pytest.approx(threshold, abs=0.03)
    drawn = [plan for plan in plan_figures(calibrated) if plan.stem.startswith("doses")]
    assert len(drawn) == 1
    assert "rises monotonically" in markdown.text(calibrated, drawn)
    labels = [text.get_text() for text in dose_figure(calibrated, CHECK).legends[0].get_texts()]
    assert any(label.startswith("threshold 0.15: a share of 0.1") for label in labels)


def made(retained):
    """Results with these areas of the mixtures, each with an interval of .01 to both sides."""
    rows = pd.DataFrame({"retained": retained, "explainer": [f"m{s:g}" for s in SHARES]})
    rows = rows.assign(check=CHECK, similarity="spearman_signed", stage=AREA)
    rows["retained_low"], rows["retained_high"] = rows["retained"] - 0.01, rows["retained"] + 0.01
    empty = pd.DataFrame()
    facts = {
        "doses": dict(zip(rows["explainer"], SHARES, strict=True)),
        "thresholds": {"spearman_signed": 0.15, "ssim": None},
    }
    nothing = LongTable.of(pd.DataFrame(columns=KEYS))
    return Results(nothing, nothing, empty, rows, empty, facts)


def test_what_is_right_is_told():
    (line,) = dose_sentences(made(SHARES), CHECK)
    assert "rises monotonically" in line
    assert "every interval covers the known share" in line


def test_an_interval_without_width_covers_its_own_number():
    results = made([0.0, 0.25, 0.5, 0.75, 1 - 1e-12])
    for end in ("retained_low", "retained_high"):
        results.summary[end] = results.summary["retained"]
    (line,) = dose_sentences(results, CHECK)
    assert "every interval covers the known share" in line


def test_intervals_that_there_are_not_do_not_miss():
    results = made(SHARES)
    results.summary[["retained_low", "retained_high"]] = np.nan
    (line,) = dose_sentences(results, CHECK)
    assert "there are no intervals" in line


@pytest.mark.parametrize("thresholds", [{}, {"spearman_signed": None}, {"never_run": 0.2}])
def test_without_a_threshold_nothing_is_told_and_the_figure_stands(thresholds):
    results = made(SHARES)
    results.provenance["thresholds"] = thresholds
    assert dose_sentences(results, CHECK) == []
    dose_figure(results, CHECK).canvas.draw()


def test_points_and_intervals_are_drawn_where_they_are():
    axes = dose_figure(made([0.1, 0.25, 0.5, 0.75, 0.9]), CHECK).axes[0]
    intervals, points = axes.collections
    np.testing.assert_allclose(points.get_offsets()[:, 0], SHARES, atol=0.01)
    np.testing.assert_allclose(points.get_offsets()[:, 1], [0.1, 0.25, 0.5, 0.75, 0.9])
    ends = np.array([segment[:, 1] for segment in intervals.get_segments()])
    np.testing.assert_allclose(ends[[0, -1]], [[0.09, 0.11], [0.89, 0.91]])


def test_what_is_wrong_is_told():
    (line,) = dose_sentences(made([0.0, 0.25, 0.2, 0.75, 1.0]), CHECK)
    assert "does NOT rise monotonically" in line
    assert "does NOT cover the known share of 0.5" in line


def test_an_area_that_is_not_known_covers_nothing():
    (line,) = dose_sentences(made([0.0, np.nan, 0.5, 0.75, 1.0]), CHECK)
    assert "does NOT rise" in line
    assert "does NOT cover the known share of 0.25" in line
