"""Verdicts that the user expects of a run, and the run's deviations from them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from saliency_bench.protocols import AREA, NOT_APPLICABLE, VERDICTS

if TYPE_CHECKING:  # pandas comes with it
    from saliency_bench.results import Results

Expected = Mapping[str, Any]
"""By explainer, or by check and explainer: verdicts by similarity, or `not_applicable`."""


def check(expected: Expected, checks: Collection[str]) -> None:
    """Check the user's expectations of a run with these checks.

    Raises:
        ValueError: if something other than a verdict is expected.
    """
    for where, explainer, verdicts in _by_explainer(expected, checks):
        if verdicts == NOT_APPLICABLE:
            continue
        if not isinstance(verdicts, Mapping):
            raise ValueError(
                f"expected.{where}{explainer} must be {NOT_APPLICABLE} or a verdict by "
                f"similarity; got {verdicts!r}"
            )
        for similarity, verdict in verdicts.items():
            if verdict not in VERDICTS:
                raise ValueError(
                    f"expected.{where}{explainer}.{similarity} must be one of "
                    f"{', '.join(VERDICTS)}; got {verdict!r}"
                )


def surprises(results: Results, expected: Expected) -> Iterator[str]:
    """A line for each result that differs from what is expected."""
    rows = results.summary[results.summary["stage"] == AREA]
    checks = list(dict.fromkeys(map(str, rows["check"])))
    several = len(checks) > 1
    for check in checks:
        actual = {
            (str(row.explainer), str(row.similarity)): str(row.verdict)
            for row in rows[rows["check"] == check].itertuples()
        }
        under = f" under {check}" if several else ""
        for where, explainer, verdicts in _by_explainer(expected, checks):
            if where in ("", f"{check}."):
                lines = _differences(results, actual, explainer, verdicts)
                yield from (line + under for line in lines)


def _by_explainer(expected: Expected, checks: Collection[str]) -> Iterator[tuple[str, str, Any]]:
    """Prefix of the check (its name and a dot; empty: every check), explainer, and verdicts."""
    for name, verdicts in expected.items():
        if name in checks and isinstance(verdicts, Mapping):
            yield from ((f"{name}.", explainer, own) for explainer, own in verdicts.items())
        else:
            yield "", name, verdicts


def _differences(
    results: Results, actual: Mapping[tuple[str, str], str], explainer: str, expected: Any
) -> Iterator[str]:
    """A line for each verdict of one explainer that differs from what is expected."""
    if explainer not in results.provenance["explainers"]:
        return
    if expected == NOT_APPLICABLE:
        if NOT_APPLICABLE not in (own for (name, _), own in actual.items() if name == explainer):
            yield f"{explainer} was expected not to apply to this model; it does"
        return
    for similarity, verdict in expected.items():
        own = actual.get((explainer, similarity), "none")
        if own != verdict:
            yield f"{explainer} was expected to be {verdict} on {similarity}; it is {own}"
