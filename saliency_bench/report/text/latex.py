"""The verdicts as tables for a paper: LaTeX with booktabs, and Markdown."""

from __future__ import annotations

import re

import pandas as pd

from saliency_bench.protocols import AREA, printable
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
    """A LaTeX table, for a document with the package booktabs; every name is escaped."""
    table = frame(results, check).map(printable).rename(columns=printable)
    styled = table.style.hide(axis="index").format(escape="latex")
    return str(
        styled.format_index(escape="latex", axis="columns").to_latex(
            hrules=True,
            column_format="ll" + "r" * len(view.similarities(results, check)),
            label=f"tab:{stem(check)}",
            caption=_caption(results, check),
        )
    )


def text(results: Results, check: str) -> str:
    """A Markdown table."""
    table = frame(results, check)
    cells = markup.table(list(table.columns), table.to_numpy(str).tolist())
    return f"{cells}\n\n{markup.escape(sentences.outcome(results, check))}\n"


def _caption(results: Results, check: str) -> str:
    """What a pass and a fail mean, with LaTeX's special characters escaped or removed."""
    text = printable(sentences.outcome(results, check))
    return re.sub(r"[&%$#_{}]", r"\\\g<0>", re.sub(r"[\\^~]", " ", text))


def _retained_texts(
    intervals: pd.DataFrame, explainer: str, results: Results, check: str
) -> list[str]:
    """The number that decides with its interval, for each similarity."""
    rows = zip(intervals.index, intervals.to_numpy(float), strict=True)
    digits = view.expectation(results, check).digits
    texts = {key: view.interval(*numbers, digits=digits) for key, numbers in rows}
    return [texts.get((explainer, name), "-") for name in view.similarities(results, check)]
