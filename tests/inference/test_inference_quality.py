"""Quality of maps by a metric: hand arithmetic, the four results, controls, ranks, the front."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from saliency_bench.inference.quality import QUALITY, assess, mean_curve
from saliency_bench.inference.ranks import front, ranks
from saliency_bench.protocols import MetricFacts

HIGHER = MetricFacts("faithfulness", "higher", "logit", "the drop", True)
LOWER = MetricFacts("robustness", "lower", "share", "the change", False)


def rows(values, chance=None, status="ok"):
    values = np.asarray(values, float)
    chance = np.zeros(len(values)) if chance is None else np.asarray(chance, float)
    return pd.DataFrame(
        {"image": range(len(values)), "value": values, "chance": chance, "status": status}
    )


def judged(own, facts=HIGHER, name="gradient", controls=None):
    return assess([((name, "m"), own)], {"m": facts}, controls or {})


def test_the_gain_is_the_mean_difference_with_its_t_interval():
    values, chance = np.array([3.0, 5, 4, 6, 7]), np.array([1.0, 1, 2, 2, 1])
    row = judged(rows(values, chance)).table.iloc[0]
    assert list(judged(rows(values, chance)).table) == list(QUALITY)
    low, high = stats.ttest_rel(values, chance).confidence_interval(0.95)
    assert (row["mean"], row["chance"], row["gain"]) == (5.0, 1.4, pytest.approx(3.6))
    assert (row["gain_low"], row["gain_high"]) == (pytest.approx(low), pytest.approx(high))
    inner = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == (pytest.approx(inner[0]), pytest.approx(inner[1]))
    assert (row["n_images"], row["undefined"], row["verdict"]) == (5, 0.0, "better")


def test_where_lower_is_better_the_gain_changes_its_sign():
    facts = MetricFacts("faithfulness", "lower", "logit", "the area", True)
    row = judged(rows([1, 2, 1, 2, 1, 2], [4, 5, 6, 5, 4, 5]), facts).table.iloc[0]
    assert row["gain"] == pytest.approx(29 / 6 - 1.5)
    assert row["verdict"] == "better"


@pytest.mark.parametrize(
    ("values", "result"),
    [
        ([1.0, 1.1, 0.9, 1.0, 1.05], "better"),
        ([-1.0, -1.1, -0.9, -1.0, -1.05], "not better"),
        ([0.0] * 6, "not better"),
        ([1.0, -1.0, 2.0, -2.0, 0.1], "inconclusive"),
        ([1.0, 1.0, 1.0, 1.0], "undefined"),
        ([1.0] * 5 + [np.nan] * 6, "undefined"),
        ([1.0] * 6 + [np.nan] * 6, "better"),
    ],
)
def test_the_four_results(values, result):
    assert judged(rows(values)).table["verdict"].tolist() == [result]


def test_hits_have_the_exact_interval_of_a_share():
    hits = MetricFacts("localisation", "higher", "share of hits", "whether", True, hits=True)
    values, chance = (
        np.array([1.0, 1, 1, 0, 1, np.nan]),
        np.array([0.2, 0.3, 0.1, 0.2, 0.2, np.nan]),
    )
    row = judged(rows(values, chance), hits).table.iloc[0]
    # k of n: quantiles of the beta distributions (k, n - k + 1) and (k + 1, n - k).
    low, high = stats.beta.ppf([0.025, 0.975], [4, 5], [2, 1])
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([0.8, low, high])
    gains = row[["gain", "gain_low", "gain_high"]].tolist()
    assert gains == pytest.approx([0.6, low - 0.2, high - 0.2])


@pytest.mark.parametrize(
    ("chance", "result"), [(0.8, "inconclusive"), (0.5, "inconclusive"), (0.4, "better")]
)
def test_five_hits_of_five_are_better_only_where_they_are_no_luck(chance, result):
    hits = MetricFacts(
        "localisation", "higher", "share of hits", "whether", True,
        {"RandomFresh": "not better"}, hits=True,
    )  # fmt: skip
    found = judged(rows([1.0] * 5, [chance] * 5), hits, "noise", {"noise": "RandomFresh"})
    # The exact probability of five hits is .33, .03 and .01: above .025, or below it; and above
    # .0005, so that noise with this luck does not make a run invalid.
    assert (found.table["verdict"].tolist(), found.problems) == ([result], ())
    missed = judged(rows([0.0] * 5, [1 - chance] * 5), hits)
    assert missed.table["verdict"].tolist() == [result.replace("better", "not better")]


def test_without_chance_there_is_a_number_and_no_result():
    row = judged(rows([1.0, 2, 3, 4, 5], [np.nan] * 5), LOWER).table.iloc[0]
    assert (row["mean"], row["verdict"]) == (3.0, "")
    assert np.isnan(row[["chance", "gain", "gain_low", "gain_high"]].astype(float)).all()


@pytest.mark.parametrize("status", ["error", "not_applicable"])
def test_what_was_not_measured_is_a_row(status):
    row = judged(rows([np.nan], [np.nan], status)).table.iloc[0]
    assert (row["n_images"], row["verdict"]) == (0, status)


def test_an_oracle_without_a_value_is_a_warning_only_where_the_metric_was_measured():
    facts = MetricFacts(
        "faithfulness", "higher", "logit", "the drop", True, {"PatchOracle": "better"}
    )
    oracle = (("oracle", "m"), rows([np.nan], [np.nan], "not_applicable"))
    other = (("gradient", "m"), rows([1.0, 1.1, 0.9, 1.0, 1.05]))
    found = [
        assess(own, {"m": facts}, {"oracle": "PatchOracle"}) for own in ([oracle, other], [oracle])
    ]
    line = "m: oracle must be better than chance; it is not applicable"
    assert [one.warnings for one in found] == [(line,), ()]


def test_equal_images_count_once():
    own = rows([0.1, 0.1, 0.1, 0.1, 0.1, 0.1]).assign(key=7)
    row = judged(own).table.iloc[0]
    assert (row["n_images"], row["verdict"]) == (1, "undefined")
    twice = pd.concat([rows([1.0, 2, 3, 4, 5, 6])] * 2).assign(key=[*range(6)] * 2)
    once = judged(rows([1.0, 2, 3, 4, 5, 6])).table
    pd.testing.assert_frame_equal(judged(twice).table, once)


ORACLE = MetricFacts(
    "faithfulness", "higher", "logit", "the drop", True,
    {"PatchOracle": "better", "RandomFresh": "not better"},
)  # fmt: skip
CONTROLS = {"patch_oracle": "PatchOracle", "random_fresh": "RandomFresh"}


def control(name, values):
    return judged(rows(values), ORACLE, name, CONTROLS)


def test_an_oracle_that_is_not_better_makes_the_metric_unusable():
    found = control("patch_oracle", [-1.0, -1.1, -0.9, -1.0, -1.05])
    assert found.problems == ("m: patch_oracle must be better than chance; it is not better",)
    assert not found.warnings


def test_an_oracle_that_is_inconclusive_is_a_warning():
    found = control("patch_oracle", [1.0, -1.0, 2.0, -2.0, 0.1])
    assert not found.problems
    assert found.warnings == ("m: patch_oracle must be better than chance; it is inconclusive",)


def test_noise_may_be_better_at_95_percent_but_not_at_999():
    values = np.array([1.0, 0.4, 0.8, 0.1, 0.3, 0.6])
    assert stats.ttest_1samp(values, 0).pvalue == pytest.approx(0.012, abs=0.001)
    assert control("random_fresh", values).table["verdict"].tolist() == ["better"]
    assert not control("random_fresh", values).problems
    sure = control("random_fresh", 1 + values / 10)
    assert sure.problems == ("m: random_fresh must not be better than chance; it is, surely",)


def test_an_explainer_under_test_may_get_any_result():
    found = judged(rows([-1.0] * 6), ORACLE, "gradient", CONTROLS)
    assert not found.problems
    assert not found.warnings


# ---------------------------------------------------------------- curves and ranks


def test_a_mean_curve_is_the_mean_at_each_place():
    table = pd.DataFrame(
        {
            "image": [0, 0, 1, 1],
            "place": [0.0, 1.0, 0.0, 1.0],
            "value": [4.0, 1.0, 6.0, 3.0],
            "chance": [5.0, 2.0, 5.0, 4.0],
        }
    )
    curve = mean_curve(table)
    np.testing.assert_array_equal(curve["mean"], [5.0, 2.0])
    np.testing.assert_array_equal(curve["chance"], [5.0, 3.0])
    half = stats.t.ppf(0.975, 1) * np.sqrt(2) / np.sqrt(2)
    np.testing.assert_allclose(curve["low"], [5 - half, 2 - half])


def test_ranks_that_all_images_agree_on_have_no_interval():
    table = pd.DataFrame({"a": np.arange(20.0) + 2, "b": np.arange(20.0), "c": np.arange(20.0) + 1})
    found = ranks({"m": table}).set_index("explainer")
    np.testing.assert_array_equal(found["rank"], [1, 3, 2])
    np.testing.assert_array_equal(found["rank_low"], found["rank"])
    np.testing.assert_array_equal(found["rank_high"], found["rank"])


def test_ranks_that_depend_on_the_image_have_an_interval():
    random = np.random.default_rng(0)
    table = pd.DataFrame({"a": random.normal(0.1, 1, 30), "b": random.normal(0, 1, 30)})
    found = ranks({"m": table})
    assert set(found["rank_low"]) == {1.0}
    assert set(found["rank_high"]) == {2.0}


def test_images_without_a_value_do_not_count_and_few_have_no_ranks():
    table = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [0.0, 9.0, np.nan]})
    assert ranks({"m": table}).empty
    assert ranks({"m": table[["a"]]}).empty
    four = pd.DataFrame({"a": np.arange(4.0), "b": np.arange(4.0) + 1})
    assert ranks({"m": four}).empty


def test_an_explainer_without_a_result_has_no_rank_and_takes_none_from_others():
    rare = rows([9.0] * 2 + [np.nan] * 8)
    own = [(("a", "m"), rows([1.0] * 10)), (("b", "m"), rows([2.0] * 10)), (("rare", "m"), rare)]
    found = assess(own, {"m": HIGHER}, {})
    assert found.table["verdict"].tolist()[-1] == "undefined"
    assert dict(zip(found.ranks["explainer"], found.ranks["rank"], strict=True)) == {"a": 2, "b": 1}


def test_controls_have_no_rank():
    own = [(("gradient", "m"), rows([1.0] * 6)), (("lrp", "m"), rows([2.0] * 6))]
    own.append((("patch_oracle", "m"), rows([3.0] * 6)))
    found = assess(own, {"m": ORACLE}, CONTROLS).ranks
    assert dict(zip(found["explainer"], found["rank"], strict=True)) == {"gradient": 2, "lrp": 1}


def test_where_lower_is_better_the_lowest_is_first():
    own = [(("a", "m"), rows([1.0] * 6)), (("b", "m"), rows([2.0] * 6))]
    found = assess(own, {"m": LOWER}, {}).ranks
    assert dict(zip(found["explainer"], found["rank"], strict=True)) == {"a": 1, "b": 2}


def test_the_front_holds_what_nothing_beats():
    table = pd.DataFrame({"x": [1, 2, 0, 2, 5], "y": [2, 1, 0, 1, np.nan]}, index=list("abcde"))
    assert front(table).tolist() == [True, True, False, True, False]


# ---------------------------------------------------------------- agreement of images


def test_images_that_order_the_explainers_alike_agree_and_controls_do_not_count():
    levels = {"low": 0.0, "high": 1.0, "random_fresh": 5.0}
    own = [((name, "m"), rows(level + np.arange(6.0))) for name, level in levels.items()]
    found = assess(own, {"m": HIGHER}, {"random_fresh": "RandomFresh"})
    assert found.agreement == {"m": (1, 1, 1)}
    # The lower value is the better one: the order is turned for all images alike.
    assert assess(own, {"m": LOWER}, {}).agreement == {"m": (1, 1, 1)}


def test_agreement_needs_two_explainers_and_as_many_images_as_ranks():
    one = assess([(("low", "m"), rows(np.arange(6.0)))], {"m": HIGHER}, {})
    few = [((name, "m"), rows([1.0, 2, 3, 4])) for name in ("low", "high")]
    assert one.agreement == assess(few, {"m": HIGHER}, {}).agreement == {}
