"""The plan of a study: its steps in order, each with the keys of its cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from saliency_bench.engine.scoring import PARTNERS
from saliency_bench.protocols import (
    BLOCK,
    SCHEMA_VERSION,
    Condition,
    Measure,
    Measuring,
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
"""Approximate limit of the pixels of a shard's images; bounds the memory in use."""

EXAMPLE_STAGES = 7
"""Most stages of a cascade in the figures."""

NETWORK = ""
"""Name of the cell with the network's own outputs under a condition."""


@dataclass(frozen=True, eq=False)
class Step:
    """One condition on one shard: the cells that are computed together.

    Attributes:
        check: name of the check.
        condition: the change of network or images.
        start: first image of the shard.
        stop: one past its last.
        keys: keys of its cells, by explainer; `NETWORK`: of the network's own outputs.
        continues: whether the previous step is the previous draw of the same stage; the floor is
            the similarity of their maps.
        references: conditions whose maps are compared with those of this step; empty: the maps
            of the unchanged network.
        columns: names of the columns with the scores of an explainer's maps.
    """

    check: str
    condition: Condition
    start: int
    stop: int
    keys: Mapping[str, str]
    continues: bool
    references: tuple[Condition, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def untouched(self) -> bool:
        """Whether the network is the untouched one, whose maps are the references, too."""
        return self.condition.stage == 0 and not self.references

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class _Change:
    """A condition with what precedes it in its check.

    Attributes:
        condition: the condition.
        continues: see `Step`.
        references: see `Step`.
        columns: see `Step`.
        identity: everything of it that can change a number.
    """

    condition: Condition
    continues: bool
    references: tuple[Condition, ...]
    columns: tuple[str, ...]
    identity: Mapping[str, Any]


def families(study: Study) -> tuple[dict[str, tuple[Condition, ...]], dict[str, str]]:
    """The conditions of every check that applies to a study; and why other checks do not apply."""
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
    """Make all steps of a study, shard by shard.

    Args:
        study: the study to plan.
        conditions: by check; default: those of every check that applies.

    Raises:
        ValueError: if two conditions of a check share stage and draw, if a condition's reference
            does not exist, or if a similarity's repr is an address and not its settings.
    """
    _require_settings(columns(study))
    if conditions is None:
        conditions, _ = families(study)
    changes = {name: _changes(study, name, family) for name, family in conditions.items()}
    explainers = {call: identity(explainer) for call, explainer in study.calls().items()}
    steps = []
    for (start, stop), data in shard_keys(study).items():
        for check, family in changes.items():
            calls = {name: explainers[study.call(check, name)] for name in study.explainers}
            for change in family:
                key = content_key({"data": data, **change.identity})
                # Checks share cells of one condition, unless they score maps by other measures.
                own = isinstance(study.checks[check], Measuring)
                measures = {"measures": sorted(change.columns)} if own else {}
                # Two functions may share one repr: only their names in the study tell them apart.
                keys = {
                    name: content_key({"change": key, "name": name, "explainer": asked} | measures)
                    for name, asked in calls.items()
                }
                keys[NETWORK] = content_key({"change": key, "network": True})
                steps.append(
                    Step(
                        check, change.condition, start, stop, keys,
                        change.continues, change.references, change.columns,
                    )
                )  # fmt: skip
    return tuple(steps)


def shard_keys(study: Study) -> dict[tuple[int, int], str]:
    """Each shard, `(start, stop)`, with a hash of all that decides its numbers but the method."""
    common = {
        "schema": SCHEMA_VERSION,
        "weights": study.network.fingerprint(),
        "batch_size": study.batch_size if study.full else f"at most {study.batch_size}",
        "settings": dict(study.settings),
    }
    return {
        (start, stop): content_key(
            {"common": common, "data": scene_digest(study.scene, start, stop)}
        )
        for start, stop in shards(study.scene, study.images_at_once)
    }


def figure_stages(steps: Sequence[Step]) -> set[tuple[str, int]]:
    """Check and stage of the maps in figures: a few stages, evenly spaced, with first and last."""
    chosen = set()
    for check in {step.check for step in steps}:
        stages = sorted({s.condition.stage for s in steps if s.check == check})
        places = np.linspace(0, len(stages) - 1, min(len(stages), EXAMPLE_STAGES + 1)).round()
        chosen |= {(check, stages[int(place)]) for place in places}
    return chosen


def columns(
    study: Study, check: str | None = None, condition: Condition | None = None
) -> dict[str, Measure]:
    """What scores maps, by the name of its column in a cell.

    Args:
        study: the study.
        check: only what scores the maps of this check.
        condition: only what has a meaning under this condition of the check.
    """
    measures = study.all_measures if check is None else study.measures(check, condition)
    return {column(measure): measure for measure in measures.values()}


def shards(scene: Scene, together: int) -> list[tuple[int, int]]:
    """Split images into shards; `(start, stop)` of each.

    A shard holds whole calls, and whole blocks too if that many images are not too many.

    Args:
        scene: all images.
        together: images of one call.
    """
    count, pixels = len(scene), int(np.prod(scene.images.shape[1:3]))
    most = min(SHARD, max(BLOCK, SHARD_PIXELS // pixels))
    both = math.lcm(together, BLOCK)
    whole = both if both <= most else together
    size = max(whole, most // whole * whole)
    starts = [start for start in range(0, count, size) if start == 0 or count - start > PARTNERS]
    return list(zip(starts, [*starts[1:], count], strict=True))


def _require_settings(names: Iterable[str]) -> None:
    for name in names:
        if is_address(name):
            raise ValueError(
                f"a similarity's repr must show its settings, as a dataclass's does; got {name}"
            )


def _changes(study: Study, check: str, conditions: Sequence[Condition]) -> list[_Change]:
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
        content = {
            "condition": identity(condition),
            "draw_before": identity(before) if continues else "",
            "references": [identity(reference) for reference in references],
        }
        own = tuple(columns(study, check, condition))
        changes.append(_Change(condition, continues, references, own, content))
    return changes


def _place(condition: Condition) -> Place:
    return condition.stage, condition.draw


def maps_name(step: Step, name: str) -> str:
    """Name of the file with an explainer's maps of a step."""
    folder = "/".join(quote(part, safe=" ") for part in (step.check, name))
    stage, draw = _place(step.condition)
    # The start of the key distinguishes the maps of two studies in one folder.
    return f"{folder}/{stage:03d}-{draw:02d}-{step.start:06d}-{step.keys[name][:8]}"
