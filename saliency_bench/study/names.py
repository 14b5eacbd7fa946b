"""The parts of a study by name, from what `evaluate` is given: names of conf/, objects, or both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from saliency_bench.protocols import Check, Metric, Similarity
from saliency_bench.study.defaults import named
from saliency_bench.study.vocabulary import from_name

if TYPE_CHECKING:
    from saliency_bench.study.build import Options

PLURALS = {
    "explainer": "explainers", "check": "checks", "similarity": "similarities", "metric": "metrics"
}  # fmt: skip
"""The arguments of `evaluate`, by group."""

KINDS = {"check": Check, "metric": Metric, "similarity": Similarity}
"""What an object of a group must be; a function may be an explainer too: see `with_controls`."""

LONGEST = 80
"""Most characters of a wrong value in a message."""


def by_name(given: Any, group: str, options: Options) -> dict[str, Any]:
    """The objects of a group by the name that they get in the results.

    Args:
        given: a name of conf/ or an object; several of them; or a mapping from names to them.
        group: explainer, check, similarity or metric.
        options: of the study.

    Raises:
        ValueError: in one line, if one is unknown or of a wrong kind.
    """
    what = PLURALS[group]
    if given is None:
        raise ValueError(f"{what} must be names of conf/{group}, objects, or both; got None")
    several = isinstance(given, Collection) and not isinstance(given, str)
    chosen = given if isinstance(given, Mapping) else named(list(given) if several else [given])
    for name, part in chosen.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"{what} must have texts as names; got {shown(name)}")
        if isinstance(part, type):
            made = f"{part.__name__}()"
            raise ValueError(f"{name} must be an object; got the class {part.__name__}: use {made}")
        if group in KINDS and not isinstance(part, str | KINDS[group]):
            raise ValueError(f"{what} must hold {what} or names of conf/; got {shown(part)}")
    return {
        name: from_name(group, part, options) if isinstance(part, str) else part
        for name, part in chosen.items()
    }


def shown(value: object) -> str:
    """A wrong value as a message shows it, in one line and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
