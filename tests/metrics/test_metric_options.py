"""conf/metric: every metric is an option, with the defaults of its class."""

import re
from dataclasses import fields

import pytest

from saliency_bench import metrics
from saliency_bench.protocols.metrics import MetricFacts
from saliency_bench.study.build import Options
from saliency_bench.study.vocabulary import from_name

NAMES = {
    "relevance_mass": metrics.RelevanceMass,
    "relevance_rank": metrics.RelevanceRank,
    "pointing_game": metrics.PointingGame,
    "localization_auc": metrics.LocalizationAUC,
    "grid_pointing": metrics.GridPointing,
    "focus": metrics.Focus,
    "max_sensitivity": metrics.MaxSensitivity,
    "relative_stability": metrics.RelativeStability,
    "gini": metrics.Gini,
    "entropy": metrics.Entropy,
}


@pytest.mark.parametrize(("name", "kind"), NAMES.items())
def test_an_option_has_the_defaults_of_its_class(name, kind):
    assert from_name("metric", name, Options()) == kind()


@pytest.mark.parametrize("kind", NAMES.values())
def test_a_metric_says_what_it_is(kind):
    facts = MetricFacts.of(kind())
    assert facts.direction in ("higher", "lower")
    assert facts.words[0].islower()
    assert not facts.words.endswith(".")
    assert facts.remark.endswith(".")
    assert facts.unit


@pytest.mark.parametrize("name", ["gini", "entropy", "max_sensitivity", "relative_stability"])
def test_numbers_without_chance_get_no_verdict_and_name_no_control(name):
    facts = MetricFacts.of(from_name("metric", name, Options()))
    assert not facts.chance
    assert facts.controls == {}


@pytest.mark.parametrize("name", ["max_sensitivity", "relative_stability"])
def test_the_output_of_the_options_is_that_of_a_robustness_metric(name):
    assert from_name("metric", name, Options(output="probability")).output == "probability"


@pytest.mark.parametrize("kind", NAMES.values())
def test_a_repr_shows_every_setting(kind):
    shown = repr(kind())
    assert " at 0x" not in shown
    assert [f.name for f in fields(kind()) if not re.search(rf"\b{f.name}=", shown)] == []
