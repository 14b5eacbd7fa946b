"""What a loop reports, and which maps it saves."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What a loop reports besides its cells.

    Attributes:
        refused: reasons why explainers do not apply, by name.
        failed: errors that explainers raised, by name.
        checks: reasons why checks do not apply, by name.
        computed: number of cells computed now; the others existed.
        damaged: number of damaged cells, which were computed again.
    """

    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    computed: int = 0
    damaged: int = 0

    @property
    def unavailable(self) -> set[str]:
        """The explainers that are not called again."""
        return {*self.refused, *self.failed}


EXAMPLE = "example"
"""The array of a cell that holds maps for the figures."""


@dataclass(frozen=True)
class MapsToSave:
    """Which maps a run saves beside their scores.

    Attributes:
        maps: whether to save all maps, as files.
        examples: whether to save maps of a few images, for the figures.
    """

    maps: bool = False
    examples: bool = True


EXAMPLES_ONLY = MapsToSave()
"""The default: only maps for the figures are saved."""
