"""Runs of one study joined in memory are what the merged report of their folders holds."""

import numpy as np
import pandas as pd
import pytest
from helpers.lazily import keras

import saliency_bench as sb
from saliency_bench.results import merge

IMAGES = np.random.default_rng(0).standard_normal((6, 8, 8, 1)).astype(np.float32)
TABLES = ("summary", "verdicts", "networks", "scores", "floors", "reliability")
METRICS = ("metrics", "curves", "quality", "ranks")


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


@pytest.fixture(scope="module")
def run(network):
    def run(explainers, folder=None, images=IMAGES, **settings):
        asked = {"checks": "param_randomization", "similarities": "spearman_signed", **settings}
        seed = asked.pop("seed", 0)
        options = sb.Options(draws=2, run_dir=folder, seed=seed)
        return sb.evaluate(network, images, explainers=explainers, **asked, options=options)

    return run


@pytest.fixture(scope="module")
def parts(run, tmp_path_factory):
    """Two runs of one study, and their folders."""
    folders = [tmp_path_factory.mktemp(name) for name in ("gradient", "both")]
    first = run("gradient", folders[0], metrics="gini")
    second = run(["gradient_input"], folders[1], checks=["param_randomization", "random_logit"])
    return (first, second), folders


def equal(one, other, names):
    for name in names:
        tables = [getattr(r, name).reset_index(drop=True) for r in (one, other)]
        pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_it_is_the_merged_report_of_the_folders(parts, tmp_path):
    results, folders = parts
    (merged,) = merge.merge_runs(folders, tmp_path).values()
    joined = sb.Results.concat(results)
    equal(joined, merged, (*TABLES, *METRICS))
    assert (joined.valid, joined.problems) == (merged.valid, merged.problems)
    assert joined.provenance == merged.provenance
    assert set(joined.verdicts["explainer"]) >= {"gradient", "gradient_input"}
    assert isinstance(joined.long_scores.source, bytes)


def test_it_is_what_one_run_of_all_would_be(run):
    whole = run(["gradient", "gradient_input"])
    joined = run("gradient") + run("gradient_input")
    names = ["check", "explainer", "similarity", "stage"]
    for table in ("summary", "verdicts"):
        keys = [name for name in names if name in getattr(whole, table)]
        found, wanted = (getattr(r, table).sort_values(keys) for r in (joined, whole))
        pd.testing.assert_frame_equal(
            found.reset_index(drop=True), wanted.reset_index(drop=True), check_exact=True
        )


def test_of_one_it_is_that_one(parts):
    first, _ = parts[0]
    equal(sb.Results.concat([first]), first, TABLES)
    equal(first + first, first, TABLES)


def test_parts_that_were_read_back_are_joined_with_those_in_memory(parts):
    (first, second), folders = parts
    equal(sb.Results.load(folders[0]) + second, first + second, TABLES)


def test_another_study_is_refused_by_what_differs(run, parts):
    first = parts[0][0]
    others = {
        "seed (0 and 1)": run("gradient", seed=1),
        "images_hash": run("gradient", images=IMAGES[::-1]),
    }
    for fact, other in others.items():
        with pytest.raises(ValueError, match="must be of one study") as raised:
            sb.Results.concat([first, first, other])
        line = str(raised.value)
        assert fact in line
        assert "results 1 and 3 differ" in line
        assert "python -m saliency_bench.report RUN RUN" in line
        assert "\n" not in line


@pytest.mark.parametrize(
    ("several", "rule"), [([], "got none"), ([3], "must get Results; got a int")]
)
def test_what_cannot_be_joined_is_one_line(several, rule):
    with pytest.raises(ValueError, match=rule):
        sb.Results.concat(several)


def test_only_results_are_added(parts):
    with pytest.raises(TypeError, match="unsupported operand"):
        parts[0][0] + 3
