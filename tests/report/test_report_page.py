"""report.html: one file, everything escaped, and alive in a real browser."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import pytest
from helpers.pages import HOSTILE, Page

from saliency_bench.report import page, view
from saliency_bench.report.text import plain_language


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
    assert "image/svg+xml" in written


def test_checks_with_twins_have_a_page_too(both, twins):
    for results in (both, twins):
        text = Page(page.html(results)).text
        assert "where labels are random" in text


def test_a_run_that_is_not_valid_says_so_first(small):
    broken = replace(small, problems=("edge_detector passed",))
    text = Page(page.html(broken)).text
    assert text.index("NOT valid") < text.index("Verdicts")
    assert "why the run is not valid" in text


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox", *quiet])
        yield started
        started.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page from disk; what it asked for, complained of or put up for an answer."""
    tab = browser.new_page()
    seen = {"requests": [], "console": [], "errors": [], "dialogs": []}
    tab.on("request", lambda request: seen["requests"].append(request.url[:60]))
    tab.on("console", lambda message: seen["console"].append(message.text))
    tab.on("pageerror", lambda error: seen["errors"].append(str(error)))
    tab.on("dialog", lambda dialog: (seen["dialogs"].append(dialog.message), dialog.dismiss()))

    def open_page(text):
        path = tmp_path / "report.html"
        path.write_text(text, encoding="utf-8")
        tab.goto(path.as_uri())
        return tab, seen

    yield open_page
    tab.close()


def require_quiet(seen):
    asked = [url for url in seen.pop("requests") if not url.startswith(("file:", "data:"))]
    assert asked == []
    assert seen == {"console": [], "errors": [], "dialogs": []}


def test_the_slider_moves_through_the_stages(opened, written):
    tab, seen = opened(written)
    card = tab.locator(".maps").first
    slider = card.locator("input[type=range]")
    told, maps = card.locator("output"), card.locator(".stage.on").first
    names, pictures = [told.inner_text()], [maps.get_attribute("src")]
    last = int(slider.get_attribute("max"))
    assert last > 0
    slider.focus()
    for _ in range(last):
        tab.keyboard.press("ArrowRight")
        names.append(told.inner_text())
        pictures.append(maps.get_attribute("src"))
    assert len(set(names)) == len(set(pictures)) == last + 1
    assert slider.get_attribute("aria-valuetext") == names[-1]
    assert card.locator(".stage.on").count() == card.locator(".strip").count()
    require_quiet(seen)


def test_the_table_is_sorted_and_filtered(opened, written, small):
    tab, seen = opened(written)

    def names():
        rows = tab.locator("#matrix tbody tr:visible th")
        return rows.all_inner_texts()

    first = names()
    head = tab.locator("#matrix thead th").first
    head.locator("button").click()
    assert names() == sorted(first, key=str.lower)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert names() == sorted(first, key=str.lower, reverse=True)
    tab.locator("#matrix thead th").nth(1).locator("button").click()
    values = [
        float(v)
        for v in tab.locator("#matrix tbody td").evaluate_all("c => c.map(x => x.dataset.value)")
        if v
    ]
    assert values == sorted(values)
    tab.fill("#filter input", first[0][:6])
    assert first[0] in names()
    assert tab.locator("#shown").inner_text() == f"{len(names())} of {len(first)} rows"
    tab.fill("#filter input", "no such name")
    assert names() == []
    require_quiet(seen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_names_do_not_run(opened, hostile, scheme):
    tab, seen = opened(hostile)
    tab.emulate_media(color_scheme=scheme)
    for button in tab.locator("th button").all():
        button.click()
    assert HOSTILE in tab.locator("#matrix").inner_text()
    require_quiet(seen)


def test_the_printed_page_shows_every_stage(opened, written):
    tab, seen = opened(written)
    stages = tab.locator("section:visible .stage")
    on_screen = stages.evaluate_all(
        "i => i.filter(x => getComputedStyle(x).display != 'none').length"
    )
    tab.emulate_media(media="print")
    printed = stages.evaluate_all(
        "i => i.filter(x => getComputedStyle(x).display != 'none').length"
    )
    assert on_screen < printed == stages.count()
    require_quiet(seen)
