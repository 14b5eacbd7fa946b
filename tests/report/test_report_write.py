"""The files of a report: all there, all versioned, all whole."""

from __future__ import annotations

import ast
import json
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from saliency_bench import report
from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.report import sections
from saliency_bench.report.figures.planned import plan_figures
from saliency_bench.report.text import markdown, markup
from saliency_bench.report.write import _write_figure, write
from saliency_bench.results import files
from saliency_bench.storage.longtable import LongTable

CHECK = "parameter_randomization"


@pytest.fixture(scope="module")
def lean(make_results):
    return make_results(explainers=("gradient", "guided_backprop"), similarities=("ssim",))


@pytest.fixture(scope="module")
def folder(lean, tmp_path_factory):
    target = tmp_path_factory.mktemp("run") / "report"
    assert lean.report(target) == target / "report.md"
    return target


def test_tables_read_back_with_their_version(folder, lean):
    for name, table in (("summary", lean.summary), ("networks", lean.networks)):
        found = pd.read_csv(folder / f"{name}.csv")
        assert set(found["schema_version"]) == {SCHEMA_VERSION}
        assert len(found) == len(table)
        assert list(found.columns).count("schema_version") == 1


def test_parquet_keeps_its_columns_and_carries_the_version(folder, lean):
    for name, table in (("scores", lean.scores), ("floors", lean.floors)):
        schema = pq.read_schema(folder / f"{name}.parquet")
        assert schema.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
        pd.testing.assert_frame_equal(
            pd.read_parquet(folder / f"{name}.parquet"), table, check_dtype=False
        )


def test_provenance_is_strict_json(folder):
    def refuse(constant):
        raise ValueError(constant)

    found = json.loads((folder / "provenance.json").read_text(), parse_constant=refuse)
    assert found["schema_version"] == SCHEMA_VERSION
    assert found["seed"] == 3
    assert found["not_a_number"] is None
    assert found["valid"] is True


def test_every_planned_figure_is_there_twice_and_embedded(folder, lean):
    text = (folder / "report.md").read_text()
    for plan in plan_figures(lean):
        assert (folder / "figures" / f"{plan.stem}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / "figures" / f"{plan.stem}.pdf").read_bytes().startswith(b"%PDF")
        assert f"(figures/{plan.stem}.png)" in text
    assert not [path for path in folder.rglob(".*")]


def test_report_opens_with_validity_and_names_its_version(folder):
    title, facts, first, *_, version = (folder / "report.md").read_text().split("\n\n")
    assert title.startswith("# ")
    assert facts == "checks: parameter_randomization"
    assert "valid" in first
    assert version == f"schema_version: {SCHEMA_VERSION}\n"


def test_report_has_its_sections_in_order(folder):
    text = (folder / "report.md").read_text()
    titles = [
        "Verdicts", "What a verdict means", "Behind the verdicts", "False verdicts to expect",
        "Figures", "The network at each stage", "Undefined pairs", "How it was run",
        "How to read the files",
    ]  # fmt: skip
    places = [text.index(f"\n## {title}\n") for title in titles]
    assert places == sorted(places)
    assert "Expect 0.6 false verdicts" in text
    assert "## Not applicable" not in text


def test_method_that_cannot_serve_is_listed_with_its_reason(lean):
    verdicts = lean.verdicts.copy()
    verdicts.loc[0, ["verdict", "reason"]] = ["not_applicable", "the network has no ReLU"]
    text = markdown.text(replace(lean, verdicts=verdicts), [])
    part = text.split("## Not applicable")[1].split("##")[0]
    assert "gradient: the network has no ReLU" in part


def test_undefined_pairs_are_counted(lean):
    part = markdown.text(lean, []).split("## Undefined pairs")[1]
    assert f"| {CHECK} | constant | ssim | 8 | 8 |" in part


def test_all_defined_is_said(make_results):
    one = make_results(explainers=("gradient",), similarities=("ssim",), controls=False)
    assert "Every pair of maps could be compared." in markdown.text(one, [])


def test_invalid_run_opens_with_its_problems(lean):
    text = markdown.text(replace(lean, problems=("weight_hash | failed",)), [])
    assert "NOT valid" in text.split("\n\n")[2]
    assert r"- weight_hash \| failed" in text


def test_names_cannot_break_out_of_a_table(make_results):
    name = "a|b <script>alert(1)</script> *x*\n# y"
    text = markdown.text(
        make_results(explainers=(name,), similarities=("ssim",), controls=False), []
    )
    assert "<script>" not in text
    assert "\n" + r"| a\|b &lt;script&gt;alert(1)&lt;/script&gt; \*x\* \# y | " in text


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("spearman_abs", "spearman_abs"),
        ("__init__", r"\_\_init\_\_"),
        ("[a](b)", r"\[a](b)"),
        ("a`b\\", "a\\`b\\\\"),
    ],
)
def test_escape(raw, safe):
    assert markup.escape(raw) == safe


def test_nested_facts_become_dotted_names():
    facts = {"versions": {"numpy": "2.4"}, "seed": 3}
    assert list(sections.flatten(facts)) == [("versions.numpy", "2.4"), ("seed", "3")]


def test_the_page_can_be_opened_before_a_figure_is_drawn(lean, tmp_path):
    class Opened(Exception):
        """Stops the writing there."""

    def opened(path):
        assert path == tmp_path / "report.html"
        assert path.read_text().startswith("<!doctype html>")
        raise Opened

    with pytest.raises(Opened):
        write(lean, tmp_path, on_page=opened)
    assert not [*tmp_path.glob("figures/*"), *tmp_path.glob("report.md")]


def test_interrupted_write_leaves_the_old_report_and_no_half_file(lean, tmp_path, monkeypatch):
    (tmp_path / "report.md").write_text("old")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write(lean, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["report.md"]
    assert (tmp_path / "report.md").read_text() == "old"


def test_run_in_which_nothing_could_be_scored_still_reports(lean, tmp_path):
    summary = lean.summary[lean.summary["stage"] == -1]
    empty = replace(
        lean, long_scores=LongTable.of(lean.scores[:0]),
        long_floors=LongTable.of(lean.floors[:0]),
        networks=lean.networks[:0],
        summary=summary, examples=None,
    )  # fmt: skip
    assert write(empty, tmp_path).read_text().startswith("# Saliency sanity report")


def test_two_checks_stand_beside_each_other(make_results, lean):
    other = make_results(explainers=("gradient",), similarities=("ssim",), check="another")
    both = replace(
        lean,
        summary=pd.concat([lean.summary, other.summary]),
        verdicts=pd.concat([lean.verdicts, other.verdicts]),
        networks=pd.concat([lean.networks, other.networks]),
        long_scores=LongTable.of(pd.concat([lean.scores, other.scores])),
        provenance={
            **lean.provenance,
            "expectations": {
                **lean.provenance["expectations"],
                **other.provenance["expectations"],
            },
        },
    )
    text = markdown.text(both, plan_figures(both))
    assert f"### {CHECK}" in text
    assert "### another" in text
    assert "figures/stages_another_ssim.png" in text


def test_same_run_writes_the_same_figures(lean, tmp_path, folder):
    plan = next(plan_figures(lean))
    _write_figure(tmp_path, plan)
    for kind in ("png", "pdf"):
        name = f"{plan.stem}.{kind}"
        assert (tmp_path / name).read_bytes() == (folder / "figures" / name).read_bytes()


def test_csv_replaces_a_version_that_is_there_already():
    table = pd.DataFrame({"x": [1], "schema_version": [99]})
    assert files.csv(table).decode() == f"schema_version,x\n{SCHEMA_VERSION},1\n"


def test_report_imports_neither_tensorflow_nor_pyplot():
    for path in Path(report.__file__).parent.rglob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        names = [
            ast.unparse(node) for node in tree if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert not [name for name in names if "tensorflow" in name or "pyplot" in name]


def test_processes_that_help_draw_the_same_files(folder, lean, tmp_path):
    write(lean, tmp_path, processes=3)
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert names == {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_what_goes_wrong_in_a_process_that_helps_is_raised(lean, tmp_path):
    (tmp_path / "figures").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="figures"):
        write(lean, tmp_path, processes=2)
    assert not (tmp_path / "report.md").exists()
