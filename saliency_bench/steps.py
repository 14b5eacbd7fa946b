"""What is to be done: the steps of a study in order, each with the names of its cells."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saliency_bench.code import described, functions_in
from saliency_bench.protocols import (
    BLOCK,
    SCHEMA_VERSION,
    Condition,
    NotApplicable,
    Place,
    Scene,
    Study,
)
from saliency_bench.scoring import PARTNERS
from saliency_bench.store import content_key

SHARD = 1024
"""Most images in a shard."""

SHARD_PIXELS = 2_000_000
"""About how many pixels a shard's images have: bounds what prepared references hold."""

NETWORK = ""
"""The cell of a condition that holds what the network itself did."""


@dataclass(frozen=True)
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


def plan(
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
        "measures": sorted({s for m in study.similarities.values() for s in _sources(m)}),
    }
    steps = []
    for start, stop in shards(study.scene, study.batch_size):
        data = content_key({"common": common, "data": _scene_hash(study.scene, start, stop)})
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


def remaining(
    steps: Sequence[Step], names: Sequence[str], complete: Callable[[Step, str], bool]
) -> list[Task]:
    """What is left to do of each step, in order.

    Args:
        steps: of a plan.
        names: the explainers that apply, and `NETWORK`.
        complete: whether a step's cell of that name is there.
    """
    missing = [[name for name in names if not complete(step, name)] for step in steps]
    # The floor of a draw needs the maps of the draw before, whose own cells may be there.
    ahead = [after if step.continues else [] for step, after in zip(steps, missing, strict=True)]
    tasks = [
        Task(step, own, [n for n in after if n not in (NETWORK, *own)])
        for step, own, after in zip(steps, missing, [*ahead[1:], []], strict=True)
    ]
    return [task for task in tasks if task.names]


def columns(study: Study) -> dict[str, Any]:
    """The measures by the name of their column in every cell."""
    return {repr(measure): measure for measure in study.similarities.values()}


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
        if _is_address(name):
            raise ValueError(
                f"a measure's repr must say its settings, as a dataclass's does; got {name}"
            )


def _changes(check: str, conditions: Sequence[Condition]) -> list[_Change]:
    """The conditions of a check, stage by stage and draw by draw."""
    family = sorted(conditions, key=_place)
    places = {_place(condition): condition for condition in family}
    changes = []
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


def source_digest(thing: type | Callable[..., Any]) -> str | None:
    """Hash of the file in which a class or function not of this package was written.

    Of that file alone, not of what it imports. Empty for what is ours or Python's own: versions
    and `provenance.numerics` know it. None if there is no file.
    """
    name = thing.__module__ or "builtins"  # None for methods of Python's own types
    if name.partition(".")[0] in (__package__, "builtins"):
        return ""
    try:
        file = inspect.getsourcefile(sys.modules[name])
    except (KeyError, TypeError):  # made without an import, or in a console or notebook
        return None
    if file is None or not Path(file).is_file():
        return None
    return hashlib.blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()


def identity(thing: object) -> str:
    """What tells a thing apart: its repr, and the source of what is not ours in it.

    One whose repr is an address, or whose source is unknown, is never met again.
    """
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        text = repr(thing)
    for function in functions_in(thing):
        text = text.replace(repr(function), described(function))
    text = " ".join([text, *_sources(thing)])
    return f"{text} {secrets.token_hex(8)}" if _is_address(text) else text


def _sources(thing: object) -> Iterator[str]:
    """Hashes of the sources of a thing and of the settings within it."""
    if inspect.isfunction(thing):
        # One without a file is known by its code, which is in the repr of its explainer.
        digest = source_digest(thing) or ""
    else:
        found = source_digest(type(thing))
        digest = secrets.token_hex(8) if found is None else found
    if digest:
        yield digest
    if dataclasses.is_dataclass(thing):
        for setting in dataclasses.fields(thing):
            if setting.repr:  # what is not shown does not tell one from another
                yield from _sources(getattr(thing, setting.name))


def _is_address(text: str) -> bool:
    return " at 0x" in text


def _scene_hash(scene: Scene, start: int, stop: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    part = scene.rows(slice(start, stop))
    for array in (part.images, part.targets, part.keys, part.regions):
        if array is not None:
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
