"""report.html in a real browser: it answers on the first screen, and works by keys alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib import resources

import pytest

from saliency_bench.report import page

CHECK = "parameter_randomization"
HOSTILE = "a\"'><script>alert(1)</script><img src=x onerror=alert(2)>${7*7}{{7*7}}"
LONG = "integrated_gradients_of_" + "x" * 60
DESKTOP, PHONE = (1366, 850), (390, 844)


@pytest.fixture(scope="module")
def written(small):
    facts = {"model": "cnn", "dataset": "digits", "n_images": 64}
    return page.html(replace(small, provenance=small.provenance | facts))


@pytest.fixture(scope="module")
def hostile(make_results):
    return page.html(make_results(explainers=(HOSTILE, "gradient"), similarities=("ssim",)))


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

    def open_page(text, size=DESKTOP):
        tab.set_viewport_size({"width": size[0], "height": size[1]})
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


def test_the_answer_is_on_the_first_screen(opened, written):
    tab, seen = opened(written)
    header = tab.locator("header")
    told = " ".join(header.inner_text().split())
    for said in ("model cnn", "data digits", "images 64", "valid", "1 of 2 fail: guided_backprop."):
        assert said in told
    first = tab.locator("#matrix tbody tr").first.bounding_box()
    assert first["y"] + first["height"] < DESKTOP[1]
    assert header.bounding_box()["y"] >= 0
    whole = tab.locator("#matrix").bounding_box()
    assert whole["x"] + whole["width"] > 0.95 * DESKTOP[0]
    require_quiet(seen)


def test_the_slider_moves_through_the_stages(opened, written):
    tab, seen = opened(written)
    maps = tab.locator(".maps").first
    slider, told = maps.locator("input[type=range]"), maps.locator("output")
    assert told.inner_text() == "conv_1", "the broken map stands beside the untouched one"
    assert maps.locator(".strip.on figure:visible").count() == 3
    shown = maps.locator(".strip.on .stage:visible img")
    names, pictures = [told.inner_text()], [shown.get_attribute("src")]
    slider.focus()
    for _ in range(int(slider.get_attribute("max")) - 1):
        tab.keyboard.press("ArrowLeft")
        names.append(told.inner_text())
        pictures.append(shown.get_attribute("src"))
    assert names == ["conv_1", "conv_2", "conv_3", "dense"]
    assert len(set(pictures)) == 4
    assert slider.get_attribute("aria-valuetext") == "dense"
    require_quiet(seen)


def test_every_image_can_be_chosen_by_keys(opened, written, small):
    tab, seen = opened(written)
    maps = tab.locator(".maps").first
    buttons = maps.locator(".choose button")
    assert buttons.count() == len(small.examples.titles)
    for place, title in enumerate(small.examples.titles):
        buttons.nth(place).focus()
        tab.keyboard.press("Enter")
        assert maps.locator(".strip:visible figcaption").first.inner_text() == title
        pressed = buttons.evaluate_all("b => b.map(x => x.getAttribute('aria-pressed'))")
        assert pressed == [str(i == place).lower() for i in range(buttons.count())]
        assert buttons.nth(place).locator("img").get_attribute("alt") == title
    require_quiet(seen)


def test_the_table_is_sorted_and_filtered_and_so_are_cards_and_contents(opened, written):
    tab, seen = opened(written)

    def names(places="#matrix tbody tr"):
        return tab.locator(f"{places}:visible").evaluate_all("r => r.map(x => x.dataset.name)")

    places = ("#matrix tbody tr", "nav li[data-name]", "main > .card[data-name]")
    first = names()
    head = tab.locator("#matrix thead th").first
    for falling in (False, True):
        head.locator("button").click()
        for place in places:
            assert names(place) == sorted(first, reverse=falling)
        assert head.get_attribute("aria-sort") == ("descending" if falling else "ascending")
    tab.locator("#matrix thead th").nth(1).locator("button").click()
    values = tab.locator("#matrix tbody td").evaluate_all(
        "c => c.map(x => Number(x.dataset.value))"
    )
    assert values == sorted(values)
    tab.select_option("#filter select", "fail")
    for place in places:
        assert names(place) == ["guided_backprop"]
    assert tab.locator("#shown").inner_text() == f"1 of {len(first)} rows"
    tab.fill("#filter input", "no such name")
    assert [names(place) for place in places] == [[]] * 3
    require_quiet(seen)


def test_a_link_unfolds_what_it_leads_to(opened, written):
    tab, seen = opened(written)
    part = tab.locator("details", has=tab.locator("#files"))
    assert part.get_attribute("open") is None
    tab.locator('nav a[href="#files"]').click()
    assert part.get_attribute("open") is not None
    require_quiet(seen)


@pytest.mark.parametrize("size", [PHONE, (768, 1024), DESKTOP, (2560, 1300)])
def test_nothing_is_wider_than_the_screen(opened, make_results, size):
    results = make_results(explainers=(LONG, "guided_backprop"))
    tab, seen = opened(page.html(results), size)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    outside = """(width) => [...document.querySelectorAll('main *, header *, nav *')]
        .filter(x => !x.closest('.wide') && x.getBoundingClientRect().right > width + 1)
        .map(x => x.outerHTML.slice(0, 80))"""
    assert tab.evaluate(outside, size[0]) == []
    require_quiet(seen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_no_serious_fault(browser, both, tmp_path, scheme, size):
    axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    path = tmp_path / "report.html"
    path.write_text(page.html(both), encoding="utf-8")
    # The page lets no other script run, so the policy is lifted for this one.
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, bypass_csp=True
    )
    tab = context.new_page()
    tab.goto(path.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.evaluate((resources.files(axe) / "axe.min.js").read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run()")
    context.close()
    assert len(found["passes"]) > 20
    assert [fault["id"] for fault in found["violations"]] == []


def test_every_control_of_the_page_has_a_name_and_can_be_reached(opened, written):
    tab, seen = opened(written)
    found = tab.locator("a:visible, button:visible, input:visible, select:visible, summary:visible")
    nameless = found.evaluate_all(
        """all => all.filter(x => !(x.textContent.trim() || x.ariaLabel || x.labels?.[0]
            || x.querySelector('img[alt]')?.alt) || x.tabIndex < 0).map(x => x.outerHTML)"""
    )
    assert found.count() > 20
    assert nameless == []
    require_quiet(seen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_names_do_not_run(opened, hostile, scheme):
    tab, seen = opened(hostile)
    tab.emulate_media(color_scheme=scheme)
    for button in tab.locator("th button").all():
        button.click()
    assert HOSTILE in tab.locator("#matrix").inner_text()
    require_quiet(seen)


def test_the_printed_page_shows_every_stage_with_its_name(opened, written, small):
    tab, seen = opened(written)
    stages = tab.locator("section:visible .stage")
    on_screen = tab.locator("section:visible .stage:visible").count()
    tab.emulate_media(media="print")
    assert on_screen < tab.locator("section:visible .stage:visible").count() == stages.count()
    strips = tab.locator("section:visible .strip:visible")
    assert strips.count() == 2 * len(small.examples.titles)
    for strip in strips.all():
        names = strip.locator("figcaption:visible").all_inner_texts()
        assert names[1:] == ["untouched", "dense", "conv_3", "conv_2", "conv_1"]
    require_quiet(seen)


def test_without_scripts_everything_is_there(browser, written, tmp_path, small):
    path = tmp_path / "report.html"
    path.write_text(written, encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(path.as_uri())
    maps = tab.locator(".maps").first
    assert maps.locator("figure:visible").count() == 6 * len(small.examples.titles)
    assert not maps.locator("input").is_visible()
    context.close()
