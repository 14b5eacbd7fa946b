"""Verdicts in plain words, and what is known of a method."""

from dataclasses import replace

import pytest

from saliency_bench.report import view
from saliency_bench.report.text import plain_language

SETTINGS = {
    "GuidedBackprop(output='logit')": "Nie et al., 2018",
    "Deconvnet(output='logit')": "Nie et al., 2018",
    "GuidedGradCAM(layer=None)": "Nie et al., 2018",
    "GradCAM(layer=None, relu=True)": "Draelos and Carin, 2020",
    "IntegratedGradients(steps=50, multiply_by_inputs=True)": "Adebayo et al., 2018",
    "IntegratedGradients(steps=50, multiply_by_inputs=False)": "",
    "LRP(rule='z_plus')": "Sixt et al., 2020",
    "LRP(rule='epsilon', epsilon=1e-06)": "",
    "EigenCAM(layer=None)": "cannot tell classes apart",
    "Gradient(output='logit')": "",
}


@pytest.mark.parametrize(("settings", "known"), SETTINGS.items(), ids=SETTINGS)
def test_what_is_known_follows_the_settings_not_the_name(small, settings, known):
    named = replace(small, provenance={**small.provenance, "explainers": {"mine": settings}})
    found = plain_language.fact(named, "mine")
    assert known in found
    assert bool(known) == bool(found)
    assert plain_language.fact(named, "yours") == ""


def judged(results, **changes):
    """The sentence of the first explainer, with another verdict."""
    verdicts = results.verdicts.head(1).assign(**changes)
    (check,) = view.ran(results)
    return plain_language.plain(replace(results, verdicts=verdicts), check)[
        verdicts["explainer"].iloc[0]
    ]


NUMBERS = {"retained": 0.553, "retained_low": 0.512, "retained_high": 0.588}


def test_each_verdict_has_its_sentence(small):
    name = small.verdicts["explainer"].iloc[0]
    kept = f"{name} keeps 55 % [51, 59] of its map, averaged over the cascade: "
    assert judged(small, verdict="fail", **NUMBERS) == (
        f"{kept}so much of the map does not depend on the network's weights."
    )
    assert judged(small, verdict="pass", **NUMBERS) == (
        f"{kept}the map depends on the network's weights, which does not make it right."
    )
    assert judged(small, verdict="inconclusive", **NUMBERS).startswith(f"{kept}too close to call")


def test_what_is_no_judgement_says_why(small):
    name = small.verdicts["explainer"].iloc[0]
    nothing = dict.fromkeys(NUMBERS, float("nan"))
    why = nothing | {"reason": "it needs a convolution"}
    for verdict, said in {
        "undefined": "Nothing can be said of",
        "not_applicable": f"{name} does not apply here",
        "error": f"{name} failed",
        "": f"{name} gets no verdict here",
    }.items():
        sentence = judged(small, verdict=verdict, **why)
        assert sentence.startswith(said)
        assert sentence.endswith("it needs a convolution.")
    assert "draws the same map" in judged(small, verdict="fail", **nothing)


def test_shares_that_round_to_nothing_have_no_sign(small):
    tiny = {"retained": -0.001, "retained_low": -0.004, "retained_high": 0.004}
    assert "keeps 0 % [0, 0]" in judged(small, verdict="pass", **tiny)


def test_the_table_of_stages_ends_where_it_is_judged(small):
    (check,) = view.ran(small)
    name = view.verdict_rows(small, check)[0].explainer
    rows = plain_language.stages(small, check, name)
    assert [row[0] for row in rows] == [*list(view.stage_names(small, check).values())[1:], "area"]
    assert {len(values) for _, values in rows} == {len(view.similarities(small, check))}


def test_sides_are_told_only_where_they_differ(small):
    (check,) = view.ran(small)
    row = view.verdict_rows(small, check)[0]
    assert list(plain_language.sides(small, row)) == []
    settings = {"a": "Spearman(absolute=False)", "b": "Cosine(absolute=True)", "c": "SSIM()"}
    known = replace(small, provenance=small.provenance | {"similarities": settings})
    differing = replace(row, verdict="pass", similarity="a", disagrees={"b": "fail", "c": "fail"})
    assert list(plain_language.sides(known, differing)) == [
        ("sign (a)", "pass"), ("magnitude (b)", "fail"), ("c", "fail")
    ]  # fmt: skip
