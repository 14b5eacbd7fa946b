"""How reliable the scores are, as a table and in words."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from saliency_bench.report import view
from saliency_bench.report.blocks import Block, Bullets, Grid, Paragraph
from saliency_bench.results import Results

_HEAD = (
    "check", "similarity", "explainers", "images", "alpha", "draws", "ICC of one [95 %]",
    "ICC of all", "right on controls",
)  # fmt: skip


def blocks(results: Results) -> Iterator[Block]:
    """A row per check and similarity, and what its numbers mean; nothing without a table."""
    table = results.reliability
    if table.empty:
        return
    yield Paragraph(
        "A score is worth as much as it repeats. This table compares the explainers under test; "
        "the controls stand in the last column alone."
    )
    yield Grid(_HEAD, [_cells(results, row) for _, row in table.iterrows()])
    yield Bullets(
        [
            "alpha: do the images put the explainers in the same order? 1: each image gives the "
            "same order; 0: no more than chance would. It is Krippendorff's alpha of the order "
            "by what is retained, nearly the mean rank correlation of two images' orders.",
            "ICC of one: would another draw give the explainers the same numbers? 1: draws change "
            "nothing; 0: draws differ as much as explainers do. ICC of all is that of the mean of "
            "all draws, which the verdicts rest on (Shrout and Fleiss, 1979).",
            "right on controls: of the controls whose verdict is known, and to which the "
            "similarity gives one, how many got it.",
            "Both agreements measure whether explainers can be told apart. Explainers that are "
            "alike, for instance because all pass with 0, have a low one, and their verdicts "
            "stand nevertheless. A dash: undefined, as there are fewer than two explainers, "
            "images or draws, or all numbers are equal.",
            *_given(results),
        ]
    )


def _given(results: Results) -> Iterator[str]:
    for check in view.ran(results):
        expectation = view.expectation(results, check)
        if expectation.fixed_draws:
            yield (
                f"{check}: its {expectation.words.draws} are given, not drawn; the ICC says how "
                "much they agree with one another."
            )


def _cells(results: Results, row: pd.Series) -> list[str]:
    check = str(row["check"])
    return [
        check,
        str(row["similarity"]),
        str(row["n_explainers"]),
        str(row["n_images"]),
        view.number(row["alpha"]),
        f"{row['n_draws']} {view.expectation(results, check).words.draws}",
        view.interval(row["icc"], row["icc_low"], row["icc_high"]),
        view.number(row["icc_mean"]),
        f"{row['n_right']} of {row['n_controls']}" if row["n_controls"] else "-",
    ]
