"""The loop: every explainer under every condition, scored and saved cell by cell.

Knows neither which check runs nor what a model is; imports no TensorFlow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import (
    BLOCK,
    SCHEMA_VERSION,
    Bound,
    Condition,
    NotApplicable,
    ProofError,
    Scene,
    Study,
)
from saliency_bench.scoring import PARTNERS, Scorer
from saliency_bench.store import Store, content_key

SHARD = 1024
"""Most images in a shard."""

SHARD_PIXELS = 2_000_000
"""About how many pixels a shard's images have: bounds what prepared references hold."""

EXAMPLES = 3
"""Images whose maps are kept for the figures."""

EXAMPLE_STAGES = 7
"""Most stages of a cascade that the figures show."""

NETWORK = ""
"""The cell of a condition that holds what the network itself did."""


class Progress(Protocol):
    """Told what is being done, how far it is."""

    def start(self, total: int) -> None:
        """`total` steps are to come."""
        ...

    def step(self, what: str) -> None:
        """One step, `what`, is about to be done."""
        ...

    def done(self) -> None:
        """Nothing more is to come."""
        ...


class Silent:
    """Tells nobody."""

    def start(self, total: int) -> None:
        """Nothing."""

    def step(self, what: str) -> None:
        """Nothing."""

    def done(self) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Step:
    """One condition on one shard: the cells that are computed together.

    Attributes:
        check: name of the check.
        condition: the change.
        start: first image of the shard.
        stop: one past its last.
        keys: of its cells, by explainer; `NETWORK` for the network's own outputs.
    """

    check: str
    condition: Condition
    start: int
    stop: int
    keys: Mapping[str, str]


@dataclass
class Outcome:
    """What a loop left behind besides its cells.

    Attributes:
        refused: why an explainer does not apply.
        failed: what an explainer raised.
        computed: how many cells were computed now; the others were there.
    """

    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    computed: int = 0


def bind(study: Study) -> tuple[dict[str, Bound], dict[str, str]]:
    """Every explainer bound to the study's model, and why those are missing that do not apply."""
    bound: dict[str, Bound] = {}
    refused: dict[str, str] = {}
    for name, explainer in study.explainers.items():
        try:
            bound[name] = explainer.bind(study.network.model)
        except NotApplicable as refusal:
            refused[name] = refusal.reason
    return bound, refused


def plan(study: Study) -> tuple[Step, ...]:
    """Every step of a study, in the order in which they are taken."""
    common = content_key(
        {
            "schema": SCHEMA_VERSION,
            "weights": study.network.fingerprint(),
            "batch_size": study.batch_size,
            **study.settings,
        }
    )
    conditions = {name: check.conditions(study) for name, check in study.checks.items()}
    steps = []
    for start, stop in shards(study.scene, study.batch_size):
        data = content_key({"common": common, "data": _scene_hash(study.scene, start, stop)})
        for check, family in conditions.items():
            for condition in family:
                change = content_key({"data": data, "condition": repr(condition)})
                keys = {
                    name: content_key({"change": change, "explainer": repr(explainer)})
                    for name, explainer in study.explainers.items()
                }
                keys[NETWORK] = content_key({"change": change, "labels": study.labels is not None})
                steps.append(Step(check, condition, start, stop, keys))
    return tuple(steps)


def shards(scene: Scene, batch_size: int) -> list[tuple[int, int]]:
    """First and one past last image of each shard: whole blocks and whole batches."""
    count, pixels = len(scene), int(np.prod(scene.images.shape[1:3]))
    span = _span(batch_size)
    size = min(SHARD, max(BLOCK, SHARD_PIXELS // pixels))
    size = max(span, size // span * span)
    starts = [start for start in range(0, count, size) if start == 0 or count - start > PARTNERS]
    return list(zip(starts, [*starts[1:], count], strict=True))


def _span(batch_size: int) -> int:
    """Whole blocks, and whole batches where a batch is larger."""
    return -(-batch_size // BLOCK) * BLOCK


def _scene_hash(scene: Scene, start: int, stop: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (scene.images, scene.targets, scene.keys):
        digest.update(np.ascontiguousarray(part[start:stop]).tobytes())
    return digest.hexdigest()


class Loop:
    """Computes the missing cells of a plan.

    Args:
        study: what is run.
        store: where cells are saved.
        bound: the explainers that apply.
        progress: is told what is being done.
        save_maps: keep the raw maps of every cell.
    """

    def __init__(
        self,
        study: Study,
        store: Store,
        bound: Mapping[str, Bound],
        progress: Progress,
        *,
        save_maps: bool = False,
    ) -> None:
        self._study = study
        self._store = store
        self._bound = dict(bound)
        self._progress = progress
        self._save_maps = save_maps
        self._columns = {repr(measure): measure for measure in study.similarities.values()}
        self._scorers: dict[str, Scorer] = {}
        self._untouched_logits: NDArray[np.float32] | None = None
        self._last_stage: dict[str, int] = {}
        self._pending: list[Future[None]] = []
        self.outcome = Outcome()

    def run(self, steps: tuple[Step, ...]) -> Outcome:
        """Compute what is missing. Scoring and saving overlap with explaining.

        Raises:
            ProofError: if a change of the network did not happen or was not undone.
            OSError: if a cell cannot be saved; the cells saved so far stay.
        """
        for step in steps:
            deepest = max(self._last_stage.get(step.check, 0), step.condition.stage)
            self._last_stage[step.check] = deepest
        wanted = {id(step): self._wanted(step, after) for step, after in _with_next(steps)}
        self._progress.start(sum(map(len, wanted.values())))
        start = -1
        try:
            with ThreadPoolExecutor(max_workers=1) as pool:
                for step in steps:
                    if step.start != start:
                        self._scorers, self._untouched_logits, start = {}, None, step.start
                    if wanted[id(step)]:
                        self._take(step, wanted[id(step)], pool)
                self._wait(0)
        finally:
            self._progress.done()
        return self.outcome

    def _wanted(self, step: Step, after: Step | None) -> list[str]:
        """Explainers to run under a step: for its own cell, or for the next draw's floor."""
        names = [NETWORK, *self._bound]
        missing = [name for name in names if not self._complete(step, name)]
        if after is not None:
            missing += [n for n in self._bound if n not in missing and not self._complete(after, n)]
        return [name for name in names if name in missing]

    def _complete(self, step: Step, name: str) -> bool:
        cell = self._store.cell(step.keys[name])
        if cell is None:
            return False
        if name == NETWORK:
            return True
        have = {column.rsplit("/", 1)[0] for column in cell}
        kept = not self._save_maps or self._store.maps_path(self._maps_name(step, name)).exists()
        return kept and have >= set(self._columns)

    def _take(self, step: Step, names: list[str], pool: ThreadPoolExecutor) -> None:
        network = self._study.network
        scene = self._study.scene.rows(slice(step.start, step.stop))
        if self._untouched_logits is None:
            self._untouched_logits = network.outputs(scene.images)
        for name in [n for n in names if n != NETWORK and n not in self._scorers]:
            self._prepare(name, scene)
        with step.condition.applied(network, scene) as changed:
            for name in names:
                self._progress.step(f"{step.check}: {step.condition.name}, {name or 'network'}")
                if name == NETWORK:
                    self._observe(step, changed)
                elif name in self._scorers:
                    self._explain(step, name, changed, pool)

    def _prepare(self, name: str, scene: Scene) -> None:
        """The reference maps of the shard, ready to be compared with."""
        maps = self._maps(name, scene, scene)
        if maps is not None:
            self._scorers[name] = Scorer(self._columns, scene, maps)

    def _explain(self, step: Step, name: str, changed: Scene, pool: ThreadPoolExecutor) -> None:
        maps = self._maps(name, changed, self._study.scene.rows(slice(step.start, step.stop)))
        if maps is None:
            del self._scorers[name]
            return
        self._wait(2)
        self._pending.append(
            pool.submit(self._score, step, name, self._scorers[name], changed, maps)
        )

    def _score(
        self, step: Step, name: str, scorer: Scorer, changed: Scene, maps: NDArray[np.float32]
    ) -> None:
        columns = scorer.columns(maps, step.condition.draw)
        columns["target"] = changed.targets
        if step.start == 0 and step.condition.draw == 0 and self._shown(step):
            columns["example"] = maps[:EXAMPLES].sum(axis=-1, keepdims=True)
        if self._save_maps:
            self._store.save_maps(self._maps_name(step, name), maps)
        self._store.save_cell(step.keys[name], columns)

    def _maps(self, name: str, scene: Scene, untouched: Scene) -> NDArray[np.float32] | None:
        """Maps of all images of a shard; None, and a note why, if there are none."""
        keys = scene.keys if self._study.explainers[name].stochastic else untouched.keys
        span = _span(self._study.batch_size)
        rows = [slice(start, start + span) for start in range(0, len(scene), span)]
        try:
            parts = [
                self._bound[name](scene.images[r], scene.targets[r], keys=keys[r]) for r in rows
            ]
            maps = np.concatenate(parts)
            if maps.ndim != 4 or len(maps) != len(scene):
                raise ValueError(f"maps must be [{len(scene)}, H, W, C]; got shape {maps.shape}")
            return maps
        except NotApplicable as refusal:
            self.outcome.refused[name] = refusal.reason
        except Exception as error:
            # An explainer of the user's may raise anything; its neighbours must go on.
            self.outcome.failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        return None

    def _observe(self, step: Step, changed: Scene) -> None:
        """Save what the network itself does under a condition, and prove that it moved."""
        logits = self._study.network.outputs(changed.images)
        before = self._untouched_logits
        if step.condition.moves_output and before is not None and np.array_equal(logits, before):
            raise ProofError(
                f"the output did not move under {step.condition.name!r}: "
                "the model does not use the weights that were changed"
            )
        spread = logits.std(axis=0).max() < 1e-5 * np.abs(logits).mean()
        columns = {
            "predicted": logits.argmax(axis=1),
            "input_independent": np.array(len(logits) > 1 and bool(spread)),
            **{name: np.array(value) for name, value in self._study.network.evidence().items()},
        }
        self._store.save_cell(step.keys[NETWORK], columns)
        self.outcome.computed += 1

    def _wait(self, most: int) -> None:
        """Let the scoring catch up until at most `most` cells are under way."""
        while len(self._pending) > most:
            self._pending.pop(0).result()
            self.outcome.computed += 1

    @staticmethod
    def _maps_name(step: Step, name: str) -> str:
        where = f"{step.condition.stage:03d}-{step.condition.draw:02d}-{step.start:06d}"
        return f"{step.check}/{name}/{where}"

    def _shown(self, step: Step) -> bool:
        """Whether the figures show this stage: a few, evenly, with the first and the last."""
        last = self._last_stage[step.check]
        shown = np.linspace(1, last, min(last, EXAMPLE_STAGES)).round().astype(int)
        return step.condition.stage in {0, *shown.tolist()}


def _with_next(steps: tuple[Step, ...]) -> Iterator[tuple[Step, Step | None]]:
    """Each step with the next draw of the same stage, if there is one."""
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        follows = (
            after is not None
            and (step.check, step.start, step.condition.stage)
            == (after.check, after.start, after.condition.stage)
            and after.condition.draw == step.condition.draw + 1
        )
        yield step, after if follows else None
