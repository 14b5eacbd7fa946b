"""A frozen baseline: small, without paths, and as good as the run itself."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.evidence import ABSOLUTE, CHECK, EXPECTED, SIGNED, scored
from helpers.runs import made, noisy, saved

from saliency_bench.compare import compare, freeze
from saliency_bench.results.read import read_measurements

EDGES = {"edge_detector": "EdgeDetector"}


@pytest.fixture
def results():
    return made(
        noisy(0.02), noisy(0.2, similarity=ABSOLUTE), noisy(0.9, similarity="ssim"),
        scored("edge_detector", score=1.0), controls=EDGES,
    )  # fmt: skip


def test_a_run_is_the_same_as_its_own_baseline(results, tmp_path):
    freeze(results, tmp_path / "baseline")
    found = compare(tmp_path / "baseline", results)
    assert [(row.similarity, row.outcome, row.moved) for row in found.rows] == [
        (SIGNED, "same", 0.0),
        (ABSOLUTE, "same", 0.0),
    ]
    assert not found.regressed
    assert (found.study, found.settings, found.problems) == ((), (), ())


def test_what_a_baseline_says_is_what_the_run_would_say(results, tmp_path):
    run = made(noisy(0.3, seed=1), scored("edge_detector", score=1.0), controls=EDGES)
    freeze(results, tmp_path)
    frozen, whole = compare(tmp_path, run).rows, compare(results, run).rows
    for row, other in zip(frozen, whole, strict=True):
        assert (row.outcome, row.before, row.after) == (other.outcome, other.before, other.after)
        assert np.allclose(row.difference, other.difference, atol=1e-6, equal_nan=True)


def test_nothing_is_in_it_that_a_comparison_does_not_need(results, tmp_path):
    freeze(saved(results, tmp_path / "run"), tmp_path / "baseline")
    kept = read_measurements(tmp_path / "baseline")
    assert set(kept.scores["similarity"]) == {SIGNED, ABSOLUTE}
    assert set(kept.scores["explainer"]) == {"mine"}
    assert kept.scores["score"].dtype == np.float32
    assert len(kept.floors) == 0
    assert kept.examples is None
    names = {path.name for path in (tmp_path / "baseline").iterdir()}
    assert names == {"scores.parquet", "floors.parquet", "networks.csv", "provenance.json"}
    for path in (tmp_path / "baseline").iterdir():
        assert b"secret" not in path.read_bytes()
    assert "command" not in json.loads((tmp_path / "baseline" / "provenance.json").read_text())


def test_it_stays_small(tmp_path):
    """As many rows with a verdict as the default run has: 9 explainers, 4 stages, 64 images."""
    many = [
        noisy(0.02, f"explainer_{number}", similarity=name, images=64, draws=10)
        for number in range(9)
        for name in (SIGNED, ABSOLUTE)
    ]
    freeze(made(*many), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 500_000


def test_a_baseline_of_a_baseline_is_the_same(results, tmp_path):
    freeze(results, tmp_path / "a")
    freeze(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_an_invalid_run_makes_no_baseline(tmp_path):
    wrong = made(noisy(0.02), scored("edge_detector", score=0.0), controls=EDGES)
    with pytest.raises(ValueError, match="the run of a baseline must be valid; it is not: redraw"):
        freeze(wrong, tmp_path / "baseline")
    assert not (tmp_path / "baseline").exists()


def test_a_run_without_a_verdict_makes_no_baseline(tmp_path):
    silent = made(noisy(0.02), expectations={CHECK: replace(EXPECTED, no_verdict="descriptive")})
    with pytest.raises(ValueError, match="must have given a verdict; it gave none"):
        freeze(silent, tmp_path)


def test_a_run_is_not_written_over(results, tmp_path):
    saved(results, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    for run in (results, tmp_path / "run"):
        with pytest.raises(ValueError, match="must not be written over a run; there is one at"):
            freeze(run, tmp_path / "run")
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_refresh_that_is_cut_off_leaves_no_baseline(results, tmp_path, monkeypatch):
    freeze(results, tmp_path / "baseline")

    def full(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("saliency_bench.compare.baseline.write_atomic", full)
        with pytest.raises(OSError, match="No space"):
            freeze(made(noisy(0.5)), tmp_path / "baseline")
    with pytest.raises(ValueError, match="it has no provenance"):
        compare(tmp_path / "baseline", results)
    freeze(results, tmp_path / "baseline")
    assert not compare(tmp_path / "baseline", results).regressed


def test_what_a_failed_explainer_said_is_not_in_it(tmp_path):
    broke = {"status": "error", "condition": "no file /home/ada/secret/net.keras", "score": np.nan}
    freeze(made(noisy(0.02), scored("broken").iloc[:1].assign(**broke),
                facts={"failed": {"broken": broke["condition"]}}), tmp_path)  # fmt: skip
    assert {path.name for path in tmp_path.iterdir() if b"secret" in path.read_bytes()} == set()
    rows = {row.explainer: row for row in compare(tmp_path, made(noisy(0.02))).rows}
    assert (rows["broken"].before, rows["broken"].outcome) == ("error", "missing")


def test_too_few_draws_make_no_baseline(tmp_path):
    with pytest.raises(ValueError, match=r"it gave none \(a verdict needs 3 draws"):
        freeze(made(noisy(0.02, draws=2)), tmp_path)
