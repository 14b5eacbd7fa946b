"""The order of a map's change along the depth of the stages, by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.evidence import CHECK, EXPECTED, SIGNED, evidence, networks_of
from scipy import stats

from saliency_bench.inference import summarize
from saliency_bench.protocols import Expectation, Trend

TREND = Trend("order of depth", SIGNED, "It is ordered.")
ORDERED = replace(EXPECTED, trend=TREND)
IMAGES = 6


def row(scores, *, expected=ORDERED, depths=None):
    """The row of the trend of scores `[L, D]`, which are those of every image; None without one."""
    scores = np.asarray(scores, float)
    levels, draws = scores.shape
    depths = np.arange(1, levels + 1) / levels if depths is None else np.asarray(depths)
    stage, draw, image = (i.ravel() for i in np.indices((levels, draws, IMAGES)))
    table = pd.DataFrame({"stage": stage + 1, "draw": draw, "image": image, "null": 0.0})
    # Images differ by what cancels in their mean.
    table["score"] = scores[stage, draw] + 0.3 * (image - (IMAGES - 1) / 2) * (-1.0) ** stage
    table = table.assign(
        check=CHECK, explainer="mine", similarity=SIGNED, target=0, ceiling=1.0, status="ok",
        condition="", depth=depths[stage],
    )  # fmt: skip
    networks = networks_of([(s + 1, d, 0, 0.9, 1) for s, d in enumerate(depths)])
    found = summarize(evidence(table, networks=networks, expectations={CHECK: expected}))
    own = found[found["similarity"] == TREND.name]
    return None if own.empty else own.iloc[0]


def test_maps_that_change_more_with_depth_have_1_and_in_reverse_minus_1():
    falling = np.linspace(1, 0, 4)[:, None] + np.zeros((4, 3))
    assert row(falling)[["mean", "retained"]].tolist() == [1, 1]
    assert row(falling[::-1])["mean"] == -1


def test_draws_are_ranked_one_by_one_and_then_averaged():
    scores = np.array([[0.9, 0.9, 0.7], [0.8, 0.7, 0.9], [0.7, 0.8, 0.8], [0.6, 0.6, 0.6]])
    each = [stats.spearmanr(-scores[:, draw], np.arange(4)).statistic for draw in range(3)]
    found = row(scores)
    assert found["mean"] == pytest.approx(np.mean(each))
    assert found[["low", "high"]].isna().all()
    assert (found["stage"], found["verdict"], found["n_draws"]) == (-1, "", 3)


def test_maps_that_never_change_follow_nothing():
    assert row(np.ones((4, 3)))["mean"] == 0


def test_stages_without_a_depth_do_not_count():
    scores = np.array([[0.0], [0.9], [0.8], [0.7]]) + np.zeros((4, 3))
    assert row(scores, depths=[0, 0.2, 0.6, 1])["mean"] == 1


@pytest.mark.parametrize(
    ("levels", "expected"),
    [(2, ORDERED), (4, EXPECTED),
     (4, replace(EXPECTED, trend=replace(TREND, of="other")))],
)  # fmt: skip
def test_none_of_two_stages_or_where_none_is_asked_for(levels, expected):
    assert row(np.zeros((levels, 3)), expected=expected) is None


def test_it_is_read_back():
    from dataclasses import asdict

    assert Expectation.read(asdict(ORDERED)) == ORDERED
    older = {name: value for name, value in asdict(EXPECTED).items() if name != "trend"}
    assert Expectation.read(older).trend is None
