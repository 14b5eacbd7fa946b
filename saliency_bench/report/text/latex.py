"""The verdicts as tables for a paper: LaTeX with booktabs, and Markdown; and what to cite."""

from __future__ import annotations

import re

import pandas as pd

from saliency_bench.protocols import AREA, papers, printable
from saliency_bench.report import view
from saliency_bench.report.figures.planned import stem
from saliency_bench.report.text import markup, sentences
from saliency_bench.results import Results


def frame(results: Results, check: str) -> pd.DataFrame:
    """A row per explainer, controls last: verdict, and its number by every similarity."""
    control_names = view.controls(results)
    areas = results.summary[results.summary["stage"] == AREA]
    values = view.deciding(results, check)
    intervals = areas[areas["check"] == check].set_index(["explainer", "similarity"])[values]
    rows = {
        row.explainer: [row.verdict, *_retained_texts(intervals, row.explainer, results, check)]
        for row in sorted(
            view.verdict_rows(results, check), key=lambda r: r.explainer in control_names
        )
    }
    columns = ["verdict", *view.similarities(results, check)]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis("explainer").reset_index()


def latex(results: Results, check: str) -> str:
    """A LaTeX table, for a document with the package booktabs; every name is escaped.

    The number that an explainer's verdict is taken on is bold.
    """
    table = frame(results, check)
    bold = _decides(table, results, check).map({True: "textbf: --rwrap;", False: ""}.get)
    styled = table.map(printable).style.hide(axis="index").format(escape="latex")
    styled = styled.apply(lambda _: bold, axis=None)
    return str(
        styled.format_index(lambda name: escape(printable(name)), axis="columns").to_latex(
            hrules=True,
            column_format="ll" + "r" * len(view.similarities(results, check)),
            position_float="centering",
            label=f"tab:{stem(check)}",
            caption=escape(printable(_caption(results, check, "Bold"))),
        )
    )


def text(results: Results, check: str) -> str:
    """A Markdown table; a star marks the number that an explainer's verdict is taken on."""
    table = frame(results, check)
    table = table.where(~_decides(table, results, check), table + "*")
    cells = markup.table(list(table.columns), table.to_numpy(str).tolist())
    return f"{cells}\n\n{markup.escape(_caption(results, check, '*'))}\n"


def references(results: Results) -> str:
    """BibTeX of the papers behind what a run used; empty if it says nothing of them."""
    return papers.bibliography(results.provenance.get("papers", {}))


def escape(text: str) -> str:
    """A text for LaTeX: special characters are escaped or removed."""
    return re.sub(r"[&%$#_{}]", r"\\\g<0>", re.sub(r"[\\^~]", " ", text))


def _decides(table: pd.DataFrame, results: Results, check: str) -> pd.DataFrame:
    """Whether a cell holds the number that an explainer's verdict is taken on."""
    rows = results.verdicts[results.verdicts["check"] == check]
    primary = rows.set_index("explainer")["similarity"].astype(str)
    if view.is_a_number(results, check):
        primary = primary.iloc[:0]
    own = table["explainer"].map(primary)
    return pd.DataFrame({name: (own == name) & (table[name] != "-") for name in table.columns})


def _caption(results: Results, check: str, mark: str) -> str:
    """What a pass and a fail mean, and what the mark says."""
    outcome = sentences.outcome(results, check)
    if view.is_a_number(results, check):
        return outcome
    return f"{outcome} {mark}: the number that the verdict is taken on, with its 95 % interval."


def _retained_texts(
    intervals: pd.DataFrame, explainer: str, results: Results, check: str
) -> list[str]:
    """The number that decides with its interval, for each similarity."""
    rows = zip(intervals.index, intervals.to_numpy(float), strict=True)
    digits = view.expectation(results, check).digits
    texts = {key: view.interval(*numbers, digits=digits) for key, numbers in rows}
    return [texts.get((explainer, name), "-") for name in view.similarities(results, check)]
