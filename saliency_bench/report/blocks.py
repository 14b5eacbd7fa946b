"""What a section of a report is made of, before anything is known of the paper it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Weight = Literal["plain", "strong", "alarm", "quiet"]
"""How loud a text is; an alarm takes verdicts away."""


@dataclass(frozen=True)
class Paragraph:
    """A text."""

    kind: ClassVar[str] = "paragraph"

    text: str
    weight: Weight = "plain"


@dataclass(frozen=True)
class Bullets:
    """Lines of equal rank; nothing without lines."""

    kind: ClassVar[str] = "bullets"

    lines: Sequence[str]
    weight: Weight = "plain"


@dataclass(frozen=True)
class Grid:
    """Rows of texts under a head; nothing without rows."""

    kind: ClassVar[str] = "grid"

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of all explainers, as large as the paper allows."""

    kind: ClassVar[str] = "verdicts"


@dataclass(frozen=True)
class Cards:
    """Everything about each explainer, where there is room for it."""

    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Controls:
    """The controls with their curves and maps, where they do not stand among the verdicts."""

    kind: ClassVar[str] = "controls"


@dataclass(frozen=True)
class Figures:
    """The figures that do not stand on cards."""

    kind: ClassVar[str] = "figures"


Block = Paragraph | Bullets | Grid | Verdicts | Cards | Controls | Figures

KINDS: tuple[str, ...] = tuple(
    block.kind for block in (Paragraph, Bullets, Grid, Verdicts, Cards, Controls, Figures)
)
"""What every renderer must be able to draw."""
