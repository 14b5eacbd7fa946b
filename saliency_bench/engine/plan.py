"""What is to be done: the steps of a study in order, each with the names of its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from saliency_bench.engine.scoring import PARTNERS
from saliency_bench.protocols import (
    BLOCK,
    SCHEMA_VERSION,
    Condition,
    NotApplicable,
    Place,
    Scene,
    Study,
)
from saliency_bench.storage.fingerprint import (
    column,
    content_key,
    identity,
    is_address,
    scene_digest,
)

SHARD = 1024
"""Most images in a shard."""

SHARD_PIXELS = 100_000
"""About how many pixels a shard's images have at most: bounds what is worked on at once."""

WINDOW_PIXELS = 2**25
"""About how many pixels the maps have that are kept of all shards of a window; see `units`."""

EXAMPLE_STAGES = 7
"""Most stages of a cascade that the figures show."""

NETWORK = ""
"""The cell of a condition that holds what the network itself did."""


@dataclass(frozen=True, eq=False)
class Step:
    """One condition on one shard: the cells that are computed together.

    Attributes:
        check: name of the check.
        condition: the change.
        start: first image of the shard.
        stop: one past its last.
        keys: of its cells, by explainer; `NETWORK` for the network's own outputs.
        continues: whether the step before is the draw before of the same stage; the floor is the
            similarity of their maps.
        references: conditions with whose maps those of this step are compared.
    """

    check: str
    condition: Condition
    start: int
    stop: int
    keys: Mapping[str, str]
    continues: bool
    references: tuple[Condition, ...] = ()

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Task:
    """What is left to do of a step.

    Attributes:
        step: the step.
        missing: the explainers (and `NETWORK`) whose cells are missing.
        held: further explainers, whose maps the floor of the next step needs.
    """

    step: Step
    missing: list[str]
    held: list[str]

    @property
    def names(self) -> list[str]:
        """All that are run."""
        return self.missing + self.held


@dataclass(frozen=True, eq=False)
class Unit:
    """What one process does in one go: the draws of a stage on consecutive shards.

    Attributes:
        window: which shards; what is kept of them serves all units of the window.
        steps: draw by draw, so that weights are redrawn once for all shards and explainers.
    """

    window: int
    steps: tuple[Step, ...]

    @property
    def key(self) -> str:
        """A hash of what it is: the name of its first cell."""
        return self.steps[0].keys[NETWORK]


@dataclass(frozen=True)
class _Change:
    """A condition in its place among those of its check.

    Attributes:
        identity: everything of it that can change a number.
    """

    condition: Condition
    continues: bool
    references: tuple[Condition, ...]
    identity: Mapping[str, Any]


def families(study: Study) -> tuple[dict[str, tuple[Condition, ...]], dict[str, str]]:
    """The conditions of every check that applies to a study, and why the others do not."""
    conditions: dict[str, tuple[Condition, ...]] = {}
    refused: dict[str, str] = {}
    for name, check in study.checks.items():
        try:
            conditions[name] = check.conditions(study)
        except NotApplicable as refusal:
            refused[name] = refusal.reason
    return conditions, refused


def make_steps(
    study: Study, conditions: Mapping[str, Sequence[Condition]] | None = None
) -> tuple[Step, ...]:
    """Every step of a study, in the order in which they are taken: shard by shard.

    Args:
        study: what is run.
        conditions: by check; default: those of every check that applies.

    Raises:
        ValueError: if two conditions of a check share stage and draw, one is compared with a
            condition that is not there, or a measure's repr is an address and not its settings.
    """
    _require_settings(columns(study))
    if conditions is None:
        conditions, _ = families(study)
    changes = {name: _changes(name, family) for name, family in conditions.items()}
    explainers = {name: identity(explainer) for name, explainer in study.explainers.items()}
    common = {
        "schema": SCHEMA_VERSION,
        "weights": study.network.fingerprint(),
        "batch_size": study.batch_size,
        "settings": dict(study.settings),
    }
    steps = []
    for start, stop in shards(study.scene, study.batch_size):
        data = content_key({"common": common, "data": scene_digest(study.scene, start, stop)})
        for check, family in changes.items():
            for change in family:
                key = content_key({"data": data, **change.identity})
                # Two functions may share one repr: only their names in the study tell them apart.
                keys = {
                    name: content_key({"change": key, "name": name, "explainer": identity})
                    for name, identity in explainers.items()
                }
                keys[NETWORK] = content_key({"change": key, "network": True})
                steps.append(
                    Step(
                        check, change.condition, start, stop, keys,
                        change.continues, change.references,
                    )
                )  # fmt: skip
    return tuple(steps)


def units(steps: Sequence[Step], kept: int) -> list[Unit]:
    """The steps of a plan in the order in which they cost least.

    Weights are redrawn once for all shards of a window, as many as `WINDOW_PIXELS` allows. Of an
    image, the maps that are kept have `kept` pixels.
    """
    shards = list(dict.fromkeys((step.start, step.stop) for step in steps))
    size = max((stop - start for start, stop in shards), default=1)
    together = max(1, WINDOW_PIXELS // (size * kept))
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
    """What is left to do of each step, in order.

    Args:
        steps: of a plan, or of a unit.
        names: the explainers that apply, and `NETWORK`.
        complete: whether a step's cell of that name is there.
    """
    missing = [[name for name in names if not complete(step, name)] for step in steps]
    # The floor of a draw needs the maps of the draw before, whose own cells may be there.
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


def figure_stages(steps: Sequence[Step]) -> set[tuple[str, int]]:
    """Check and stage of what the figures show: a few, evenly, with the first and the last."""
    shown = set()
    for check in {step.check for step in steps}:
        stages = sorted({s.condition.stage for s in steps if s.check == check})
        places = np.linspace(0, len(stages) - 1, min(len(stages), EXAMPLE_STAGES + 1)).round()
        shown |= {(check, stages[int(place)]) for place in places}
    return shown


def columns(study: Study) -> dict[str, Any]:
    """The measures by the name of their column in every cell."""
    return {column(measure): measure for measure in study.similarities.values()}


def shards(scene: Scene, batch_size: int) -> list[tuple[int, int]]:
    """First and one past last image of each shard: whole blocks and whole batches."""
    count, pixels = len(scene), int(np.prod(scene.images.shape[1:3]))
    whole = span(batch_size)
    size = min(SHARD, max(BLOCK, SHARD_PIXELS // pixels))
    size = max(whole, size // whole * whole)
    starts = [start for start in range(0, count, size) if start == 0 or count - start > PARTNERS]
    return list(zip(starts, [*starts[1:], count], strict=True))


def span(batch_size: int) -> int:
    """How many images are explained in one call: whole blocks, whole batches if those are more."""
    return -(-batch_size // BLOCK) * BLOCK


def _require_settings(names: Iterable[str]) -> None:
    for name in names:
        if is_address(name):
            raise ValueError(
                f"a measure's repr must say its settings, as a dataclass's does; got {name}"
            )


def _changes(check: str, conditions: Sequence[Condition]) -> list[_Change]:
    """The conditions of a check, stage by stage and draw by draw."""
    family, changes = sorted(conditions, key=_place), []
    places = {_place(condition): condition for condition in family}
    for before, condition in zip([None, *family], family, strict=False):
        if before is not None and _place(before) == _place(condition):
            raise ValueError(
                f"the conditions of {check!r} must differ in stage or draw; got "
                f"{before.name!r} and {condition.name!r} at {_place(condition)}"
            )
        if missing := set(condition.references) - places.keys():
            raise ValueError(
                f"the condition {condition.name!r} of {check!r} must be compared with conditions "
                f"of that check; none is at {min(missing)}"
            )
        stage, draw = _place(condition)
        continues = before is not None and _place(before) == (stage, draw - 1)
        references = tuple(places[place] for place in condition.references)
        told = {
            "condition": identity(condition),
            "draw_before": identity(before) if continues else "",
            "references": [identity(reference) for reference in references],
        }
        changes.append(_Change(condition, continues, references, told))
    return changes


def _place(condition: Condition) -> Place:
    return condition.stage, condition.draw


def maps_name(step: Step, name: str) -> str:
    """Of the file of an explainer's maps under a step."""
    folder = "/".join(quote(part, safe=" ") for part in (step.check, name))
    stage, draw = _place(step.condition)
    # The key's head tells apart the maps of two studies in one folder.
    return f"{folder}/{stage:03d}-{draw:02d}-{step.start:06d}-{step.keys[name][:8]}"
