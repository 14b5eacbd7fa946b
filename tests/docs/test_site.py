"""The site: every page is in its navigation, and the reference names what the package offers."""

import importlib.util
import re

import pytest
from helpers.guides import PAGES, ROOT, named

import saliency_bench as sb

spec = importlib.util.spec_from_file_location("site_of_docs", ROOT / "docs" / "site.py")
site = importlib.util.module_from_spec(spec)
spec.loader.exec_module(site)

NAV = re.findall(r": (\S+\.md)$", site.CONFIG.read_text(encoding="utf-8"), re.MULTILINE)
CODE = ("docs/README.md",)
"""A list of the pages, for who reads them without the site."""


def test_every_page_is_in_the_navigation():
    ours = {named(page) for page in PAGES} - set(CODE)
    listed = {page for page in NAV if page == "README.md" or page.startswith("docs/")}
    assert listed == ours | {f"{site.NOTEBOOK}.md"}


def test_every_public_module_has_a_page_of_reference():
    modules = site.public_modules()
    assert {f"reference/{name}.md" for name in modules} == {p for p in NAV if "reference/s" in p}
    assert {f"saliency_bench.{name}" for name in sb.__all__ if name.islower()} - set(modules) == {
        "saliency_bench.evaluate"
    }


@pytest.mark.parametrize("module", ["saliency_bench", "saliency_bench.network"])
def test_a_name_that_resolves_late_is_named_where_it_is(module):
    listed = re.findall(r"^::: (\S+)$", site.reference(module), re.MULTILINE)
    for path in listed[1:]:
        home, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(home), name), path
    assert len(listed) > 3


def test_a_notebook_becomes_a_page():
    cells = [
        {"cell_type": "markdown", "source": ["# A\n", "text"]},
        {"cell_type": "code", "source": ["print(1)"], "outputs": [{"text": ["1\n"]}]},
        {"cell_type": "code", "source": ["x = 1"], "outputs": []},
    ]
    assert site.as_page({"cells": cells}) == (
        "# A\ntext\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\nx = 1\n```\n"
    )


def test_it_asks_no_other_host():
    assert "://" not in site.CONFIG.read_text(encoding="utf-8")
