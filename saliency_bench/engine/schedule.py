"""The order of the work: units that one process computes at once, and tasks that are missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from saliency_bench.engine.plan import NETWORK, Step

WINDOW_PIXELS = 2**25
"""Approximate limit of the pixels of all maps stored for one window; see `units`."""


@dataclass(frozen=True)
class Task:
    """The missing work of a step.

    Attributes:
        step: the step.
        missing: the explainers (and `NETWORK`) whose cells are missing.
        floor_only: other explainers, whose maps the floor of the next step needs.
    """

    step: Step
    missing: list[str]
    floor_only: list[str]

    @property
    def names(self) -> list[str]:
        """All explainers (and `NETWORK`) to run."""
        return self.missing + self.floor_only


@dataclass(frozen=True, eq=False)
class Unit:
    """The work that one process claims at once: the draws of a stage on consecutive shards.

    Attributes:
        window: number of the window, a group of shards; its units share stored maps.
        steps: draw by draw, so that weights are redrawn once for all shards and explainers.
    """

    window: int
    steps: tuple[Step, ...]

    @property
    def key(self) -> str:
        """A hash that identifies the unit: the key of its first cell."""
        return self.steps[0].keys[NETWORK]


def units(steps: Sequence[Step], pixels: int) -> list[Unit]:
    """Group the steps of a plan into units, in the order that costs least.

    Weights are redrawn once for all shards of a window; `WINDOW_PIXELS` limits the window's size.

    Args:
        steps: of a plan.
        pixels: of all stored maps of one image.
    """
    shards = list(dict.fromkeys((step.start, step.stop) for step in steps))
    size = max((stop - start for start, stop in shards), default=1)
    together = max(1, WINDOW_PIXELS // (size * pixels))
    windows = {shard: place // together for place, shard in enumerate(shards)}
    grouped: dict[tuple[int, str, int], list[Step]] = {}
    for step in steps:
        window = windows[step.start, step.stop]
        grouped.setdefault((window, step.check, step.condition.stage), []).append(step)
    ordered = sorted(grouped.items(), key=lambda entry: entry[0][0])
    return [
        Unit(window, tuple(sorted(group, key=lambda step: (step.condition.draw, step.start))))
        for (window, _, _), group in ordered
    ]


def remaining_tasks(
    steps: Sequence[Step], names: Sequence[str], complete: Callable[[Step, str], bool]
) -> list[Task]:
    """The missing work of each step, in order; steps without any are left out.

    Args:
        steps: of a plan, or of a unit.
        names: the explainers that apply, and `NETWORK`.
        complete: whether a step's cell of that name exists.
    """
    missing = [[name for name in names if not complete(step, name)] for step in steps]
    # The floor of a draw needs the maps of the previous draw, whose own cells may exist.
    floors = {
        _spot(step, step.condition.draw - 1): own
        for step, own in zip(steps, missing, strict=True)
        if step.continues
    }
    tasks = []
    for step, own in zip(steps, missing, strict=True):
        after = floors.get(_spot(step, step.condition.draw), [])
        tasks.append(Task(step, own, [name for name in after if name not in (NETWORK, *own)]))
    return [task for task in tasks if task.names]


def _spot(step: Step, draw: int) -> tuple[str, int, int, int]:
    return step.check, step.condition.stage, draw, step.start
