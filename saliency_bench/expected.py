"""Verdicts that were stated before a run, and those that came out otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from saliency_bench.protocols import AREA

if TYPE_CHECKING:  # pandas comes with it
    from saliency_bench.results import Results

VERDICTS = ("pass", "fail", "inconclusive", "undefined")

NOT_APPLICABLE = "not_applicable"
"""Stated in the place of an explainer's verdicts: the method cannot serve the model."""

Expected = Mapping[str, Any]
"""By explainer: `not_applicable`, or a verdict by similarity."""


def check(expected: Expected) -> None:
    """Raises `ValueError` unless what is expected are verdicts."""
    for explainer, stated in expected.items():
        if stated == NOT_APPLICABLE:
            continue
        if not isinstance(stated, Mapping):
            raise ValueError(
                f"expected.{explainer} must be {NOT_APPLICABLE} or a verdict by similarity; "
                f"got {stated!r}"
            )
        for similarity, verdict in stated.items():
            if verdict not in VERDICTS:
                raise ValueError(
                    f"expected.{explainer}.{similarity} must be one of {', '.join(VERDICTS)}; "
                    f"got {verdict!r}"
                )


def surprises(results: Results, expected: Expected) -> Iterator[str]:
    """A line for everything in the results that is not as expected."""
    rows = results.summary[results.summary["stage"] == AREA]
    verdicts = {(row.explainer, row.similarity): str(row.verdict) for row in rows.itertuples()}
    refused = results.provenance[NOT_APPLICABLE]
    for explainer in results.provenance["explainers"]:
        stated = expected.get(explainer, {})
        if stated == NOT_APPLICABLE:
            if explainer not in refused:
                yield f"{explainer} was expected not to apply to this model; it does"
            continue
        for similarity, verdict in stated.items():
            found = verdicts.get((explainer, similarity), "none")
            if found != verdict:
                yield f"{explainer} was expected to be {verdict} on {similarity}; it is {found}"
