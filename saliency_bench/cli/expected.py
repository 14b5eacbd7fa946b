"""Verdicts that were stated before a run, and those that came out otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from saliency_bench.protocols import AREA

if TYPE_CHECKING:  # pandas comes with it
    from saliency_bench.results import Results

VERDICTS = ("pass", "fail", "inconclusive", "undefined")

NOT_APPLICABLE = "not_applicable"
"""Stated in the place of an explainer's verdicts: the method cannot serve the model."""

Expected = Mapping[str, Any]
"""By explainer, or by check and explainer: `not_applicable`, or a verdict by similarity."""


def check(expected: Expected, checks: Collection[str]) -> None:
    """Raises `ValueError` unless what is expected, of a run with these checks, are verdicts."""
    for where, explainer, stated in _stated(expected, checks):
        if stated == NOT_APPLICABLE:
            continue
        if not isinstance(stated, Mapping):
            raise ValueError(
                f"expected.{where}{explainer} must be {NOT_APPLICABLE} or a verdict by "
                f"similarity; got {stated!r}"
            )
        for similarity, verdict in stated.items():
            if verdict not in VERDICTS:
                raise ValueError(
                    f"expected.{where}{explainer}.{similarity} must be one of "
                    f"{', '.join(VERDICTS)}; got {verdict!r}"
                )


def surprises(results: Results, expected: Expected) -> Iterator[str]:
    """A line for everything in the results that is not as expected."""
    rows = results.summary[results.summary["stage"] == AREA]
    checks = list(dict.fromkeys(map(str, rows["check"])))
    several = len(checks) > 1
    for check in checks:
        verdicts = {
            (str(row.explainer), str(row.similarity)): str(row.verdict)
            for row in rows[rows["check"] == check].itertuples()
        }
        under = f" under {check}" if several else ""
        for where, explainer, stated in _stated(expected, checks):
            if where in ("", f"{check}."):
                yield from (line + under for line in _against(results, verdicts, explainer, stated))


def _stated(expected: Expected, checks: Collection[str]) -> Iterator[tuple[str, str, Any]]:
    """What is stated of each explainer, and of which check: empty, or its name and a dot."""
    for name, stated in expected.items():
        if name in checks and isinstance(stated, Mapping):
            yield from ((f"{name}.", explainer, own) for explainer, own in stated.items())
        else:
            yield "", name, stated


def _against(
    results: Results, verdicts: Mapping[tuple[str, str], str], explainer: str, stated: Any
) -> Iterator[str]:
    """What of one explainer is not as stated."""
    if explainer not in results.provenance["explainers"]:
        return
    if stated == NOT_APPLICABLE:
        if explainer not in results.provenance[NOT_APPLICABLE]:
            yield f"{explainer} was expected not to apply to this model; it does"
        return
    for similarity, verdict in stated.items():
        found = verdicts.get((explainer, similarity), "none")
        if found != verdict:
            yield f"{explainer} was expected to be {verdict} on {similarity}; it is {found}"
