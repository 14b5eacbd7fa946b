"""How reliable the scores are, as a table and in words."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from saliency_bench.report import view
from saliency_bench.report.blocks import Block, Bullets, Grid, Paragraph
from saliency_bench.results import Results

_HEAD = (
    "similarity", "explainers", "images", "alpha", "draws", "ICC of one [95 %]", "ICC of all",
    "right on controls",
)  # fmt: skip


def blocks(results: Results) -> Iterator[Block]:
    """A table per check with a row per similarity, and what its numbers mean; or nothing."""
    if results.reliability.empty:
        return
    yield Paragraph(
        "A score is worth as much as it repeats. The tables compare the explainers under test; "
        "the controls stand in the last column alone."
    )
    for check, rows in results.reliability.groupby("check", sort=False, observed=True):
        yield Paragraph(_title(results, str(check)))
        yield Grid(_HEAD, [_cells(row) for _, row in rows.iterrows()])
    yield Bullets(
        [
            "alpha: do the images put the explainers in the same order? 1: each image gives the "
            "same order; 0: no more than chance would. It is Krippendorff's alpha of the order "
            "by the number that decides, nearly the mean rank correlation of two images' orders.",
            "ICC of one: would another draw give the explainers the same numbers? 1: draws change "
            "nothing; 0: explainers differ no more than draws do. ICC of all is that of the mean "
            "of all draws, which the verdicts rest on (Shrout and Fleiss, 1979).",
            "right on controls: of the controls whose verdict is known, and to which the "
            "similarity gives one, how many got it.",
            "Both agreements measure whether explainers can be told apart. Explainers that are "
            "alike, for instance because all pass with 0, have a low one, and their verdicts "
            "stand nevertheless. A dash: undefined, as there are fewer than two explainers, "
            "images or draws, or all numbers are equal.",
        ]
    )


def _title(results: Results, check: str) -> str:
    expectation = view.expectation(results, check)
    title = f"{check}, repeated over {expectation.words.draws}"
    if expectation.fixed_draws:
        title += ", which are given and not drawn: the ICC says how much they agree"
    return f"{title}:"


def _cells(row: pd.Series) -> list[str]:
    return [
        str(row["similarity"]),
        str(row["n_explainers"]),
        str(row["n_images"]),
        view.number(row["alpha"]),
        str(row["n_draws"]),
        view.interval(row["icc"], row["icc_low"], row["icc_high"]),
        view.number(row["icc_mean"]),
        f"{row['n_right']} of {row['n_controls']}" if row["n_controls"] else "-",
    ]
