"""Tables for papers: every row and number of the verdict table, names escaped."""

import pytest

from saliency_bench.report import view
from saliency_bench.report.text import latex

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
