"""Tables for papers: every row and number of the verdict table, names escaped."""

from dataclasses import replace

import pytest

from saliency_bench.protocols.papers import papers
from saliency_bench.report import sections, view
from saliency_bench.report.text import latex, sentences

CHECK = "parameter_randomization"


def test_the_frame_holds_the_verdicts_controls_last(small):
    (check,) = view.ran(small)
    table = latex.frame(small, check)
    rows = {row.explainer: row for row in view.verdict_rows(small, check)}
    assert set(table["explainer"]) == set(rows)
    known = view.controls(small)
    flags = [name in known for name in table["explainer"]]
    assert flags == sorted(flags)
    for _, line in table.iterrows():
        row = rows[line["explainer"]]
        assert line["verdict"] == row.verdict
        for name, other in zip(view.similarities(small, check), row.others, strict=True):
            assert line[name].split(" ")[0] == other.rstrip("*!")


@pytest.mark.parametrize("render", [latex.latex, latex.text])
def test_a_rendered_table_has_a_line_per_explainer(small, render):
    (check,) = view.ran(small)
    lines = render(small, check).splitlines()
    for row in view.verdict_rows(small, check):
        name = row.explainer.replace("_", r"\_") if render is latex.latex else row.explainer
        assert sum(name in line for line in lines) >= 1


def test_latex_has_rules_and_escapes(make_results):
    results = make_results(explainers=("a_b & 100 %$", "gradient"), similarities=("ssim",))
    found = latex.latex(results, CHECK)
    for rule in ("toprule", "midrule", "bottomrule"):
        assert f"\\{rule}" in found
    assert r"a\_b \& 100 \%\$" in found
    body = found.split("\\midrule")[1].split("\\bottomrule")[0]
    assert {line.count("&") - line.count(r"\&") for line in body.strip().splitlines()} == {2}


def test_the_number_of_a_verdict_is_marked_and_the_caption_says_so(small):
    (check,) = view.ran(small)
    lines = latex.latex(small, check).splitlines()
    marked = {
        row.explainer: lines[n].count(r"\textbf{")
        for n, row in enumerate(
            sorted(view.verdict_rows(small, check), key=lambda row: row.control),
            start=lines.index(r"\midrule") + 1,
        )
    }
    assert marked.pop("constant") == 0, "an undefined number decides nothing"
    assert set(marked.values()) == {1}
    (gradient,) = [line for line in lines if line.startswith("gradient")]
    assert gradient.split(" & ")[2].startswith(r"\textbf{"), "spearman_signed is primary"
    assert r"Bold: the number that the verdict is taken on, with its 95 \% interval." in lines[2]
    markdown = latex.text(small, check).splitlines()
    (gradient,) = [line for line in markdown if line.startswith("| gradient")]
    assert [cell.endswith(r"\*") for cell in gradient.strip("| ").split(" | ")] == [
        False, False, True, False
    ]  # fmt: skip


def test_latex_is_balanced(small):
    (check,) = view.ran(small)
    found = latex.latex(small, check)
    assert found.count("{") == found.count("}")
    begun = [line[7:-1] for line in found.splitlines() if line.startswith(r"\begin{")]
    ended = [line[5:-1] for line in found.splitlines() if line.startswith(r"\end{")]
    assert [name.partition("}")[0] for name in begun] == ended[::-1] == ["table", "tabular"]


USED = {"explainer.gradient": ["simonyan2014"], "check.redraw": ["adebayo2018"]}


def test_the_papers_behind_a_run_are_its_bibliography(small):
    known = replace(small, provenance={**small.provenance, "papers": USED})
    found = latex.references(known)
    for key in ("adebayo2018", "simonyan2014"):
        assert papers()[key].bibtex in found
    assert found.count("@") == 2
    assert any(sentences.REFERENCES in line for line in sentences.reading(known))
    (how,) = [section for section in sections.SECTIONS if section.anchor == "how"]
    assert "explainer.gradient" not in str(list(how.content(known))), "the file has them"


def test_a_run_that_names_no_papers_has_no_bibliography(small):
    assert latex.references(small) == ""
    assert not any(sentences.REFERENCES in line for line in sentences.reading(small))
