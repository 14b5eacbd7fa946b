"""What a check says of itself: all that inference and report know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

AREA = -1
"""The `stage` of the summary's row on which the verdict is taken."""


@dataclass(frozen=True)
class Words:
    """How a check is told of: clauses without a capital letter or a full stop.

    Attributes:
        breaks: what is broken, e.g. "the layers' weights are redrawn".
        passes: what a pass says, e.g. "the map depends on the network's weights".
        fails: what a fail says.
        kept: what follows "keeps 12 %", e.g. "of its map, averaged over the cascade".
        draws: what repeated draws are, in the plural.
        untouched: what the network is at stage 0.
        depth: what a condition's `depth` is the share of.
        destroyed: what a network is under a condition that destroys it.
    """

    breaks: str
    passes: str
    fails: str
    kept: str
    draws: str = "draws"
    untouched: str = "untouched"
    depth: str = "share of what can be changed"
    destroyed: str = "destroyed network"


@dataclass(frozen=True)
class Ceiling:
    """Where the similarity of maps comes from that lost nothing.

    Attributes:
        stage: the stage that measures it, draw by draw: `score` there is a mean over networks that
            share nothing but what they learned, and the ceiling of later stages. None: it is 1, as
            a map is compared with itself.
        name: what it is called beside a number.
        caption: what it, the null and the floor are under this check, in whole sentences.
    """

    stage: int | None = None
    name: str = "ceiling"
    caption: str = (
        "The ceiling is 1: nothing changed. The null is what maps of different images score. The "
        "floor of a stage is what the maps of two of its draws score on one image."
    )


@dataclass(frozen=True)
class Expectation:
    """All that a check says of itself; inference and report know no more of it.

    Attributes:
        words: how it is told of.
        expects: what a trustworthy map does under its conditions.
        ceiling: where the similarity of maps comes from that lost nothing.
        statistic: on what the verdict is taken: all stages together, or the last one.
        controls: the verdict that each control must get, by the name of its class.
        learned: training accuracy that it asks of the networks it trains; None if it trains none.
        no_verdict: why no verdict is given on this study (descriptive); empty if one is.
        guards: what makes every verdict undefined and the run fail: a line each.
    """

    words: Words
    expects: Literal["change", "keep"] = "change"
    ceiling: Ceiling = field(default_factory=Ceiling)
    statistic: Literal["area", "last"] = "area"
    controls: Mapping[str, str] = field(default_factory=dict)
    learned: float | None = None
    no_verdict: str = ""
    guards: tuple[str, ...] = ()

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` made of one.

        Raises:
            KeyError: if it does not say all: an older version wrote it.
        """
        try:
            words, ceiling = Words(**facts["words"]), Ceiling(**facts["ceiling"])
            rest = {name: value for name, value in facts.items() if name not in _INNER}
            return cls(words, ceiling=ceiling, **rest | {"guards": tuple(rest["guards"])})
        except TypeError as error:
            raise KeyError(str(error)) from error


_INNER = ("words", "ceiling")
