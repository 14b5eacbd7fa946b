"""Papers are read from the BibTeX file as it stands, and a thing's come with its parts'."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from saliency_bench.protocols import papers

FILE = Path(papers.__file__).with_suffix(".bib").read_text(encoding="utf-8")
NEEDED = {
    "inproceedings": {"author", "title", "booktitle", "year"},
    "incollection": {"author", "title", "booktitle", "publisher", "year"},
    "article": {"author", "title", "journal", "year"},
    "misc": {"author", "title", "eprint", "archiveprefix", "year"},
}
"""Fields without which a style prints a gap."""


@dataclass(frozen=True)
class Base:
    papers: ClassVar[tuple[str, ...]] = ("simonyan2014",)


@dataclass(frozen=True)
class Wrapper:
    papers: ClassVar[tuple[str, ...]] = ("smilkov2017",)

    base: object


def test_the_file_is_nothing_but_entries_and_is_read_whole():
    read = papers.papers()
    assert list(read) == sorted(re.findall(r"^@\w+\{(.*),$", FILE, re.MULTILINE))
    assert "\n\n".join(paper.bibtex for paper in read.values()) + "\n" == FILE


@pytest.mark.parametrize("paper", papers.papers().values(), ids=lambda paper: paper.key)
def test_an_entry_has_what_its_kind_needs(paper):
    kind = paper.bibtex[1:].partition("{")[0]
    assert paper.fields.keys() >= NEEDED[kind]
    assert all(value and value == value.strip() for value in paper.fields.values())
    lines = [line for line in paper.bibtex.splitlines() if " = " in line]
    assert len(lines) == len(paper.fields), "a field a line"
    assert paper.bibtex.count("{") == paper.bibtex.count("}")
    assert paper.bibtex.isascii(), "letters beyond ASCII as LaTeX writes them"


@pytest.mark.parametrize("paper", papers.papers().values(), ids=lambda paper: paper.key)
def test_a_key_is_the_first_author_and_the_year(paper):
    first = paper.short.partition(" et al.")[0].partition(" and ")[0].partition(",")[0]
    plain = first.lower().replace("-", "").replace("ö", "oe").replace("ü", "ue")
    assert paper.key == f"{plain}{paper.fields['year']}"


@pytest.mark.parametrize(
    ("key", "short"),
    [
        ("selvaraju2017", "Selvaraju et al., 2017"),
        ("zeiler2014", "Zeiler and Fergus, 2014"),
        ("bluecher2024", "Blücher et al., 2024"),
        ("boehle2021", "Böhle et al., 2021"),
    ],
)
def test_a_paper_is_cited_as_in_a_text(key, short):
    assert papers.papers()[key].short == short


def test_a_title_is_read_without_its_braces():
    title = "Grad-CAM: Visual Explanations from Deep Networks via Gradient-Based Localization"
    assert papers.papers()["selvaraju2017"].title == title


def test_what_wraps_another_has_both_papers_its_own_first_and_each_once():
    assert papers.keys_of(Wrapper(Base())) == ("smilkov2017", "simonyan2014")
    assert papers.keys_of(Wrapper(Wrapper(Base()))) == ("smilkov2017", "simonyan2014")
    assert papers.own_keys(Wrapper(Base())) == ("smilkov2017",)


@pytest.mark.parametrize("thing", [abs, object(), Base, type("Foreign", (), {"papers": 5})()])
def test_code_that_names_none_has_none(thing):
    assert papers.keys_of(thing) == (("simonyan2014",) if thing is Base else ())


def test_a_bibliography_says_who_used_a_paper():
    text = papers.bibliography(
        {"explainer.mine": ["smilkov2017", "simonyan2014"], "explainer.gradient": ["simonyan2014"]}
    )
    first, second = text.split("\n\n")
    assert first.splitlines()[0] == "% explainer.mine, explainer.gradient"
    assert first.splitlines()[1] == "@inproceedings{simonyan2014,"
    assert second.splitlines()[0] == "% explainer.mine"
    assert papers.bibliography({"explainer.mine": ["nobody1999"]}) == ""
    assert papers.bibliography({}) == ""
