"""The blocks that sections of a report consist of, independent of the output format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

Weight = Literal["plain", "strong", "alarm", "quiet", "answer"]
"""How a text is emphasised; an alarm means that verdicts cannot be used."""


@dataclass(frozen=True)
class Paragraph:
    """A text."""

    kind: ClassVar[str] = "paragraph"

    text: str
    weight: Weight = "plain"


@dataclass(frozen=True)
class Facts:
    """Short facts, each with its name, on as few lines as there is room for."""

    kind: ClassVar[str] = "facts"

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Bullets:
    """A list of lines; nothing is drawn without lines."""

    kind: ClassVar[str] = "bullets"

    lines: Sequence[str]
    weight: Weight = "plain"


@dataclass(frozen=True)
class Grid:
    """A table of texts under a head; nothing is drawn without rows."""

    kind: ClassVar[str] = "grid"

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of all explainers, in as much detail as the output has room for."""

    kind: ClassVar[str] = "verdicts"


@dataclass(frozen=True)
class Cards:
    """Everything about each explainer, where the output has room for it."""

    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Controls:
    """The controls with their curves and maps, where the verdicts do not include them."""

    kind: ClassVar[str] = "controls"


@dataclass(frozen=True)
class Figures:
    """The figures that are not on cards."""

    kind: ClassVar[str] = "figures"


@dataclass(frozen=True)
class Scatter:
    """Any two numbers of the explainers against each other, where a reader can choose them.

    Attributes:
        columns: names of the numbers.
        points: each explainer with its numbers, NaN where it lacks one.
    """

    kind: ClassVar[str] = "scatter"

    columns: Sequence[str]
    points: Sequence[tuple[str, Sequence[float]]]


Block = Paragraph | Facts | Bullets | Grid | Verdicts | Cards | Controls | Figures | Scatter

KINDS: tuple[str, ...] = tuple(block.kind for block in get_args(Block))
"""The kinds that every renderer must be able to draw."""
