"""What is kept of a few consecutive shards while they go through the conditions together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench.engine.background import Background
from saliency_bench.engine.plan import Step
from saliency_bench.engine.scoring import Scorer
from saliency_bench.engine.spill import Shelf
from saliency_bench.protocols import Condition, Network, Scene

Mark = tuple[str, int, int] | None
"""Check, stage and draw of the condition whose maps are compared with; None: the untouched."""

Maps = NDArray[np.float32]


def mark(check: str, condition: Condition | None) -> Mark:
    """What the maps of a condition are known by; None for the untouched maps."""
    return None if condition is None else (check, condition.stage, condition.draw)


class Window:
    """The maps of some shards that others are compared with, and the networks' own outputs.

    Args:
        network: untouched when it is asked here.
        scorer: makes maps ready and compares them.
        queue: does so queue the caller, in the order in which it is asked.
    """

    def __init__(self, network: Network, scorer: Scorer, queue: Background) -> None:
        self._network = network
        self._scorer = scorer
        self._behind = queue
        self._shelf = Shelf()
        self._known: set[tuple[int, str, Mark]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Forgets everything, once nothing queue needs it."""
        self._behind.settle()
        self._shelf.close()

    def logits(self, step: Step, scene: Scene) -> NDArray[np.float32]:
        """`[N, K]` of the untouched network, for the images of a shard."""
        key = step.start
        if key not in self._shelf:
            self._shelf[key] = self._network.outputs(scene.images)
        return np.asarray(self._shelf[key])

    def knows(self, step: Step, name: str, its: Mark) -> bool:
        """Whether there are maps of that explainer and mark to compare with."""
        return (step.start, name, its) in self._known

    def refer(self, step: Step, name: str, its: Mark, maps: Maps) -> None:
        """Take maps `[N, H, W, C']` of a shard as those that others are compared with."""
        key = step.start, name, its
        self._known.add(key)
        self._behind.do(self._keep, key, maps)

    def set_aside(self, step: Step, name: str, its: Mark, maps: Maps) -> None:
        """Keep maps whose own step is still to come."""
        self._shelf["ahead", step.start, name, its] = maps

    def ahead(self, step: Step, name: str, its: Mark) -> Maps | None:
        """The maps set aside for this step, once; None if there are none."""
        maps: Maps | None = self._shelf.pop(("ahead", step.start, name, its))
        return maps

    def columns(
        self, step: Step, name: str, maps: Maps, marks: Sequence[Mark]
    ) -> dict[str, NDArray[Any]]:
        """A column per similarity, from maps under the step's condition; to be called queue.

        They are held for the draw that comes next.

        Args:
            step: what they are of.
            name: the explainer.
            maps: `[N, H, W, C']`.
            marks: with what they are compared.
        """
        changed = self._scorer.prepare(maps)
        before = self._shelf["before", step.start, name] if step.continues else None
        references = [self._shelf[step.start, name, its] for its in marks]
        self._shelf["before", step.start, name] = changed
        return self._scorer.columns(changed, references, before)

    def hold(self, step: Step, name: str, maps: Maps) -> None:
        """Keep maps for the draw that comes next, without comparing them."""
        self._behind.do(self._keep, ("before", step.start, name), maps)

    def _keep(self, key: Hashable, maps: Maps) -> None:
        self._shelf[key] = self._scorer.prepare(maps)


def require_maps(maps: NDArray[Any], count: int, shape: tuple[int, ...]) -> None:
    """Raises `ValueError` unless maps are `[count, H, W, C]`, each of one shape."""
    if maps.ndim != 4 or len(maps) != count or maps.size == 0:
        raise ValueError(f"maps must be [{count}, H, W, C]; got shape {maps.shape}")
    if maps.shape[1:] != shape:
        raise ValueError(
            f"maps must keep their shape {(count, *shape)} under a change; got {maps.shape}"
        )
