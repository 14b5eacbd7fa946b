"""Where intervals end and where the line of a verdict lies, by hand."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from saliency_bench.checks import efficient_mprt, graded_randomization, input_invariance
from saliency_bench.protocols import Ceiling, Expectation
from saliency_bench.report import lines, stages, view
from saliency_bench.report.scale import bounded

CHECK = "parameter_randomization"
ROWS = pd.DataFrame(
    {
        "mean": [0.9, 0.9, -0.2, np.nan], "low": [0.7, 0.8, -0.6, np.nan],
        "high": [1.1, 0.95, 0.2, np.nan],
        "retained": [0.8, 1.2, -0.3, np.nan], "retained_high": [1.3, 1.4, 0.1, np.nan],
    }
)  # fmt: skip


@pytest.fixture
def declared(small):
    return Expectation.read(small.provenance["expectations"][CHECK])


def declaring(results, own, **thresholds):
    """A run whose check declares something else."""
    facts = {"expectations": {CHECK: asdict(own)}, "thresholds": thresholds}
    return replace(results, provenance=results.provenance | facts)


def test_the_interval_of_a_correlation_ends_at_one(declared):
    found = bounded(declared, ROWS)
    np.testing.assert_array_equal(found["high"], [1.0, 0.95, 0.2, np.nan])
    np.testing.assert_array_equal(found["retained_high"], [1.0, 1.2, 0.1, np.nan])
    for name in ("mean", "low", "retained"):
        np.testing.assert_array_equal(found[name], ROWS[name])


def test_a_measured_ceiling_and_a_number_without_end_are_left_alone(declared):
    measured = bounded(replace(declared, ceiling=Ceiling(stage=1)), ROWS)
    np.testing.assert_array_equal(measured["retained_high"], ROWS["retained_high"])
    assert measured["high"].max() == 1
    free = bounded(efficient_mprt.EfficientMPRT.declares, ROWS)
    np.testing.assert_array_equal(free["high"], ROWS["high"])


def test_an_interval_in_the_table_ends_at_one(small):
    summary = small.summary.assign(retained_high=1.7, high=1.7)
    row = view.verdict_rows(replace(small, summary=summary), CHECK)[0]
    assert row.retained.endswith(", 1.00]")
    for table in view.curves_of(replace(small, summary=summary), CHECK, "gradient").values():
        assert table["high"].max() == 1


def test_the_line_of_a_share_is_a_score_between_null_and_ceiling(small):
    known = declaring(small, view.expectation(small, CHECK), spearman_signed=0.15, ssim=None)
    assert lines.line(known, CHECK, "spearman_signed") == 0.15
    assert lines.line(known, CHECK, "ssim") is None
    table = pd.DataFrame({"null": [0.0, 0.2], "ceiling": [1.0, 0.6]})
    found = lines.with_line(known, CHECK, "spearman_signed", table)["threshold"]
    np.testing.assert_allclose(found, [0.15, 0.2 + 0.15 * 0.4])
    assert lines.with_line(known, CHECK, "ssim", table)["threshold"].isna().all()


def test_where_maps_must_stay_the_line_is_that_of_the_similarity_that_decides(small):
    own = input_invariance.InputInvariance.declares
    known = declaring(small, own, closeness=None, spearman_abs=0.25)
    assert lines.line(known, CHECK, "closeness") == pytest.approx(1 - own.tolerance)
    assert lines.line(known, CHECK, "spearman_abs") is None


def test_an_order_of_stages_has_a_line_and_no_score_on_it(small):
    own = graded_randomization.GradedRandomization.declares
    known = declaring(small, own, spearman_abs=0.25)
    assert lines.line(known, CHECK, "spearman_abs") == own.number.line
    table = pd.DataFrame({"null": [0.0], "ceiling": [1.0]})
    assert lines.with_line(known, CHECK, "spearman_abs", table)["threshold"].isna().all()


def test_a_curve_starts_at_the_stage_that_measures_the_ceiling(twins):
    (check,) = view.ran(twins)
    ceiling = view.expectation(twins, check).ceiling
    names, tables = stages.of_explainer(twins, check, "gradient")
    assert names[0] == ceiling.name
    for table in tables.values():
        assert table["mean"].iloc[0] == table["ceiling"].iloc[1]
        assert list(table.index) == list(names)
    assert stages.of_explainer(twins, check, "nobody")[1] == {}
