"""report.html: one file, everything escaped, everything said."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from helpers.pages import HOSTILE, Page

from saliency_bench.report import page, view
from saliency_bench.report.page import charts
from saliency_bench.report.text import plain_language

CHECK = "parameter_randomization"


@pytest.fixture(scope="module")
def written(small):
    return page.html(small)


@pytest.fixture(scope="module")
def hostile(make_results):
    return page.html(make_results(explainers=(HOSTILE, "gradient"), similarities=("ssim",)))


def test_the_page_says_every_verdict_in_plain_words(small, written):
    text = Page(written).text
    for check in view.ran(small):
        for sentence in plain_language.plain(small, check).values():
            assert " ".join(sentence.split()) in text
        for row in view.verdict_rows(small, check):
            assert row.retained in text
    assert "necessary, not sufficient" in text


def test_the_page_needs_nothing_else(written):
    found = Page(written)
    addresses = [
        attrs[name]
        for _, attrs in found.tags
        for name in ("src", "href", "srcset", "action", "data")
        if name in attrs
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", written)
    assert len(written) < 5e6
    (policy,) = (attrs["content"] for attrs in found.of("meta") if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_every_link_leads_somewhere_and_every_picture_has_words(written):
    found = Page(written)
    places = {attrs["id"] for _, attrs in found.tags if "id" in attrs}
    assert {attrs["href"].removeprefix("#") for attrs in found.of("a")} <= places
    assert all(attrs.get("alt") for attrs in found.of("img"))
    assert len(found.of("h1")) == 1


def test_hostile_names_stay_names(hostile):
    found = Page(hostile)
    assert len(found.of("script")) == 1
    assert not any("onerror" in attrs for _, attrs in found.tags)
    assert HOSTILE in " ".join(found.words)
    assert "49" not in [word for text in found.words for word in text.split()]


def test_private_images_are_nowhere_in_it(small):
    assert "image/webp" in page.html(small)
    written = page.html(replace(small, examples=None))
    assert "image/webp" not in written
    assert 'class="curves"' in written


def test_checks_with_twins_have_a_page_too(both, twins):
    for results in (both, twins):
        text = Page(page.html(results)).text
        assert "where labels are random" in text


def test_a_run_that_is_not_valid_says_so_first(small):
    facts = small.provenance | {"warnings": ["it is right on 9 of 9 if it gets [-1, 1]"]}
    broken = replace(small, problems=("edge_detector passed",), provenance=facts)
    text = Page(page.html(broken)).text
    assert text.index("NOT valid") < text.index("Verdicts")
    for cause in ("edge_detector passed", "it is right on 9 of 9"):
        assert text.count(cause) == 1
    assert "2 fail" not in text


def test_the_header_says_of_what_and_who_fails(small):
    facts = {"model": "net", "dataset": "digits", "finished": "2026-02-03T04:05:06+00:00"}
    written = page.html(replace(small, provenance=small.provenance | facts))
    assert f"<title>net on digits, {CHECK}: saliency sanity report</title>" in written
    header = Page(written.split("<header>")[1].split("</header>")[0]).text
    for said in (
        "net on digits", "model net", "data digits", f"checks {CHECK}",
        "finished 3 February 2026, 04:05 UTC", "valid: 4 of 4 controls",
        "1 of 2 fail: guided_backprop.",
    ):  # fmt: skip
        assert said in header
    assert written.count("The run is valid") == 1


def test_failures_come_first(small, written):
    assert next(iter(view.verdict_rows(small, CHECK))).explainer == "gradient"
    table = written.split('id="matrix"')[1].split("</table>")[0]
    assert re.findall(r'<tr data-name="(\w+)"', table) == ["guided_backprop", "gradient"]
    cards = re.findall(r'<section class="card" [^>]*data-name="(\w+)"', written)
    assert cards[:2] == ["guided_backprop", "gradient"]


def test_a_card_says_what_each_side_of_a_map_says(small):
    summary = small.summary.copy()
    place = (
        (summary["explainer"] == "gradient")
        & (summary["similarity"] == "spearman_abs")
        & (summary["stage"] == -1)
    )
    summary.loc[place, "verdict"] = "fail"
    similarities = {
        "spearman_signed": "Spearman(absolute=False, threshold=0.15)",
        "spearman_abs": "Spearman(absolute=True, threshold=0.25)",
    }
    facts = small.provenance | {"similarities": similarities}
    text = Page(page.html(replace(small, summary=summary, provenance=facts))).text
    assert "sign (spearman_signed): pass ; magnitude (spearman_abs): fail" in text


def test_a_map_without_a_difference_is_words_and_no_colour(small, written):
    names = [title for title in small.examples.titles]
    for title in names:
        assert f"map of {title} at untouched: constant: 1 everywhere" in written
        assert f"map of {title} at dense: nowhere finite" in written
    empty = re.findall(r'<div class="void".*?</div>', written, re.DOTALL)
    assert len(empty) == 5 * len(names)
    assert not any("<img" in one for one in empty)


def test_controls_that_behave_have_no_colour_of_a_verdict(small, written):
    table = written.split('<caption class="quiet">Explainers whose')[1].split("</table>")[0]
    assert set(re.findall(r'class="verdict (\w+)"', table)) == {"due"}
    wrong = small.verdicts.copy()
    wrong.loc[wrong["explainer"] == "weight_hash", ["verdict", "ok"]] = ["fail", False]
    text = page.html(replace(small, verdicts=wrong))
    assert 'class="verdict wrong"' in text
    assert "must be pass: WRONG" in text


def test_curves_have_axes_a_threshold_and_a_mark_on_what_decides(small):
    facts = small.provenance | {"thresholds": {"spearman_signed": 0.15, "spearman_abs": 0.25}}
    found = charts.chart(
        replace(small, provenance=facts), CHECK, "gradient", decides="spearman_signed"
    )
    signed, absolute = found.panels
    assert (signed.decides, absolute.decides) == (True, False)
    assert found.guides == ("ceiling", "floor", "null", "threshold")
    # The null is .05 and the ceiling 1, so a share of .15 lies at .05 + .15 * .95 = .1925.
    ticks = {float(text): y for y, text in signed.rows}
    per_score = (ticks[0.0] - ticks[1.0]) / 1.0
    height = float(signed.guides["threshold"].split()[1].split("L")[0])
    assert (ticks[0.0] - height) / per_score == pytest.approx(0.1925, abs=0.003)
    assert [name for _, name in signed.columns] == [
        "untouched", "dense", "conv_3", "conv_2", "conv_1"
    ]  # fmt: skip
    assert "untouched: 1.00" in signed.text
    text = page.html(replace(small, provenance=facts))
    drawn = text.count('<figure class="panel')
    assert text.count(">similarity</text>") == text.count(">stage</text>") == drawn > 0
    assert text.count("<strong>decides</strong>") == text.count("panel decides") > 0


def test_an_undefined_curve_says_so(small):
    found = charts.chart(small, CHECK, "constant", decides="spearman_abs")
    assert all(not panel.dots and not panel.curve for panel in found.panels)
    assert charts.chart(small, CHECK, "nobody", decides="") is None
