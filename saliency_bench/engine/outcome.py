"""What a loop reports, and which maps it saves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from saliency_bench.protocols import NotApplicable, SettingError, interrupts
from saliency_bench.protocols.errors import is_out_of_memory, one_line

LONGEST = 240
"""Most characters of the cause of a failure."""


@dataclass
class Outcome:
    """What a loop reports besides its cells.

    Attributes:
        refused: reasons why explainers do not apply, by name.
        failed: errors that explainers raised, by name.
        feature_maps: the feature maps that explainers took, by name.
        checks: reasons why checks do not apply, by name.
        metrics: reasons why metrics do not apply, by name.
        computed: number of cells computed now; the others existed.
        damaged: number of damaged cells, which were computed again.
    """

    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    feature_maps: dict[str, list[str]] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    computed: int = 0
    damaged: int = 0

    @property
    def unavailable(self) -> set[str]:
        """The explainers that are not called again."""
        return {*self.refused, *self.failed}

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """A block that runs an explainer: what it raises becomes a row, and the run goes on.

        Args:
            name: of the explainer.

        Raises:
            SettingError: if a setting of the explainer does not fit.
            MemoryError: if memory ran out, as it may for the next explainer too.
        """
        try:
            yield
        except NotApplicable as refusal:
            self.refused[name] = refusal.reason
        except SettingError:
            raise
        except (Exception, SystemExit) as error:  # a user's explainer may raise anything
            interrupts.ask()
            cause = one_line(error, longest=LONGEST)
            if is_out_of_memory(error):
                raise MemoryError(
                    f"memory ran out in {name}; a smaller batch_size needs less ({cause})"
                ) from error
            self.failed[name] = cause

    def add(self, other: Outcome) -> None:
        """Add what is known of explainers from elsewhere."""
        self.refused.update(other.refused)
        self.failed.update(other.failed)
        self.metrics.update(other.metrics)
        for name, taken in other.feature_maps.items():
            self.note(name, taken)

    def note(self, name: str, taken: list[str]) -> None:
        """Note the feature maps that an explainer took."""
        known = self.feature_maps.get(name, [])
        if new := [layer for layer in taken if layer not in known]:
            self.feature_maps[name] = [*known, *new]


EXAMPLES = 3
"""Number of images whose maps are saved for the figures."""

EXAMPLE = "example"
"""The array of a cell that holds maps for the figures, or in a network's cell their images."""


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
