"""What the loop leaves behind, and what it keeps of the maps."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What a loop left behind besides its cells.

    Attributes:
        refused: why an explainer does not apply.
        failed: what an explainer raised.
        checks: why a check does not apply.
        computed: how many cells were computed now; the others were there.
        damaged: how many cells were there but damaged, and so computed anew.
    """

    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    computed: int = 0
    damaged: int = 0

    @property
    def gone(self) -> set[str]:
        """The explainers that are not asked again."""
        return {*self.refused, *self.failed}


EXAMPLE = "example"
"""The array of a cell that holds maps for the figures."""


@dataclass(frozen=True)
class MapsToSave:
    """What a run keeps of the maps beside their scores.

    Attributes:
        maps: all of them, as files.
        examples: those of a few images, for the figures.
    """

    maps: bool = False
    examples: bool = True


EXAMPLES_ONLY = MapsToSave()
"""Maps are scored, and those of the figures kept."""
