"""What a check declares about itself, which is all that inference and report know about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

AREA = -1
"""The `stage` of the row of the summary that decides the verdict."""


@dataclass(frozen=True)
class Words:
    """Clauses that describe a check, without a capital letter or a full stop.

    Attributes:
        breaks: what is broken, e.g. "the layers' weights are redrawn".
        passes: what a pass says, e.g. "the map depends on the network's weights".
        fails: what a fail says.
        kept: the words after "keeps 12 %", e.g. "of its map, averaged over the cascade".
        draws: the name of repeated draws, in the plural.
        untouched: the name of the network at stage 0.
        depth: the meaning of a condition's `depth`.
        destroyed: the name of a network under a condition that destroys it.
        note: what a reader of its verdicts must know, in whole sentences; empty if nothing.
    """

    breaks: str
    passes: str
    fails: str
    kept: str
    draws: str = "draws"
    untouched: str = "untouched"
    depth: str = "share of what can be changed"
    destroyed: str = "destroyed network"
    note: str = ""


@dataclass(frozen=True)
class Ceiling:
    """The ceiling: the similarity of maps that lost nothing.

    Attributes:
        stage: the stage that measures the ceiling for each draw. Its `score` is a mean over
            networks that share only what they learned, and is the ceiling of later stages. None if
            the ceiling is 1, as a map is compared with itself.
        name: its name beside a number.
        value: the ceiling where no stage measures it: what a map scores against itself.
        caption: explains ceiling, null and floor under this check, in whole sentences.
    """

    stage: int | None = None
    name: str = "ceiling"
    value: float = 1.0
    caption: str = (
        "The ceiling is 1: nothing changed. The null is what maps of different images score. The "
        "floor of a stage is what the maps of two of its draws score on one image."
    )


@dataclass(frozen=True)
class Number:
    """The number that a check decides on, if that is not the share of a map that is retained.

    Attributes:
        name: its name beside a value, e.g. "rank correlation".
        says: the words between an explainer and a value, e.g. "has a rank correlation of".
        passes: the side of the line on which a map passes.
        line: its line under every similarity with a threshold; None: the threshold itself is it.
        near: whether scores are judged by how near they come to 1: the number is 1 minus the
            geometric mean of 1 - score, so that neither it nor its interval exceeds 1.
        bounded: whether its largest value is 1.
    """

    name: str
    says: str
    passes: Literal["below", "above"]
    line: float | None = None
    near: bool = False
    bounded: bool = True


@dataclass(frozen=True)
class Trend:
    """How the change of maps is ordered along the depth of the stages: a number, no verdict.

    It is the rank correlation, over the stages with a depth, of the depth with 1 minus the mean
    score of each draw.

    Attributes:
        name: of its row in the summary, where others have the name of a similarity.
        of: the similarity whose scores are ordered.
        caption: explains it, in whole sentences.
    """

    name: str
    of: str
    caption: str


@dataclass(frozen=True)
class Expectation:
    """What a check declares about itself; inference and report know nothing else about it.

    Attributes:
        words: clauses that describe it.
        expects: whether a trustworthy map must change or be kept under its conditions.
        ceiling: the similarity of maps that lost nothing.
        statistic: what decides the verdict: all stages together, the last one, or the order of the
            stages: the rank correlation of the map's change with the output's.
        number: the number that decides; None: `retained`, or the score if maps must be kept.
        trend: what stands beside it; None if nothing.
        controls: the expected verdict of each control, by the name of its class.
        decides: the similarity that alone gives a verdict; empty: that of each explainer.
        tolerance: largest loss of similarity where maps must be kept.
        fixed_draws: whether the draws are given and not drawn: then intervals are over the images,
            for these draws.
        learned: training accuracy that its networks must reach; None if it trains none.
        no_verdict: why this study gets no verdict (descriptive); empty if it gets one.
        guards: the failed guards, which make every verdict undefined and the run fail.
    """

    words: Words
    expects: Literal["change", "keep"] = "change"
    ceiling: Ceiling = field(default_factory=Ceiling)
    statistic: Literal["area", "last", "order"] = "area"
    number: Number | None = None
    trend: Trend | None = None
    controls: Mapping[str, str] = field(default_factory=dict)
    decides: str = ""
    tolerance: float = 0.1
    fixed_draws: bool = False
    learned: float | None = None
    no_verdict: str = ""
    guards: tuple[str, ...] = ()

    @property
    def is_scored(self) -> bool:
        """Whether the verdict is taken on a score or a number of its own, not on a share."""
        return self.expects == "keep" or self.number is not None

    @property
    def judged(self) -> str:
        """The name of the number that decides."""
        if self.number is not None:
            return self.number.name
        return self.decides or ("similarity" if self.is_scored else "retained")

    @property
    def passes_above(self) -> bool:
        """Whether a larger number that decides is the better one."""
        return self.expects == "keep" if self.number is None else self.number.passes == "above"

    @property
    def digits(self) -> int:
        """Decimals that show on which side of its line the number that decides lies."""
        keeps = self.expects == "keep"
        return max(2, 1 + round(-math.log10(self.tolerance))) if keeps else 2

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """Read the output of `dataclasses.asdict`."""
        words, ceiling = Words(**facts["words"]), Ceiling(**facts.get("ceiling", {}))
        number = Number(**facts["number"]) if facts.get("number") else None
        trend = Trend(**facts["trend"]) if facts.get("trend") else None
        rest = {name: value for name, value in facts.items() if name not in _INNER}
        guards = tuple(rest.pop("guards", ()))
        return cls(words, ceiling=ceiling, number=number, trend=trend, guards=guards, **rest)


_INNER = ("words", "ceiling", "number", "trend")
