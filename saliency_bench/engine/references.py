"""Stores the reference maps of a window: consecutive shards that share redrawn weights."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench.engine.background import Background
from saliency_bench.engine.plan import Step
from saliency_bench.engine.scoring import Scorer
from saliency_bench.engine.spill import Shelf
from saliency_bench.protocols import Condition, Network, Scene

Mark = tuple[str, int, int] | None
"""Check, stage and draw of a reference condition; None: the unchanged network."""

Maps = NDArray[np.float32]


class Found(NamedTuple):
    """What an explainer found in the images of a shard.

    Attributes:
        maps: `[N, H, W, C']`.
        regions: `[N, H, W]` of the scene.
    """

    maps: Maps
    regions: NDArray[np.bool_] | None = None


def mark_of(check: str, condition: Condition | None) -> Mark:
    """The mark of a condition's maps; None for those of the unchanged network."""
    return None if condition is None else (check, condition.stage, condition.draw)


class Window:
    """The reference maps of a window, and the outputs of its unchanged network.

    Args:
        network: must be unchanged whenever `logits` is called.
        scorer: prepares maps and compares them.
        queue: runs the preparation in the background, in order.
    """

    def __init__(self, network: Network, scorer: Scorer, queue: Background) -> None:
        self._network = network
        self._scorer = scorer
        self._queue = queue
        self._shelf = Shelf()
        self._stored: set[tuple[int, str, Mark]] = set()
        self._repeated: dict[Hashable, dict[str, NDArray[Any]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Delete all stored maps, once no background call needs them."""
        self._queue.settle()
        self._shelf.close()

    def logits(self, step: Step, scene: Scene) -> NDArray[np.float32]:
        """Scores `[N, K]` of the unchanged network for the images of a shard."""
        key = step.start
        if key not in self._shelf:
            self._shelf[key] = self._network.outputs(scene.images)
        return np.asarray(self._shelf[key])

    def knows(self, step: Step, name: str, mark: Mark) -> bool:
        """Whether the reference maps of an explainer and mark are stored.

        Args:
            step: gives the shard.
            name: the explainer.
            mark: of the maps' condition.
        """
        return (step.start, name, mark) in self._stored

    def add_reference(
        self, step: Step, name: str, mark: Mark, found: Found, columns: Collection[str] | None
    ) -> None:
        """Store maps of a shard as reference maps.

        Args:
            step: gives the shard.
            name: the explainer.
            mark: of the maps' condition.
            found: the maps.
            columns: for which they are compared; None: all.
        """
        key = step.start, name, mark
        self._stored.add(key)
        self._queue.do(self._store, key, found, columns)

    def set_aside(self, step: Step, name: str, mark: Mark, maps: Maps) -> None:
        """Store maps whose own step comes later.

        Args:
            step: gives the shard.
            name: the explainer.
            mark: of the maps' condition.
            maps: `[N, H, W, C']`.
        """
        self._shelf["ahead", step.start, name, mark] = maps

    def take_early(self, step: Step, name: str, mark: Mark) -> Maps | None:
        """Remove and return the maps set aside for this step; None if there are none.

        Args:
            step: gives the shard.
            name: the explainer.
            mark: of the maps' condition.
        """
        maps: Maps | None = self._shelf.pop(("ahead", step.start, name, mark))
        return maps

    def columns(
        self, step: Step, name: str, found: Found, marks: Sequence[Mark]
    ) -> dict[str, NDArray[Any]]:
        """The step's columns, from maps under its condition; for background calls.

        The maps are also stored for the floor of the next draw.

        Args:
            step: the step of the maps.
            name: the explainer.
            found: the maps.
            marks: of the reference maps.
        """
        references = [self._shelf[step.start, name, mark] for mark in marks]
        changed = self._scorer.prepare(*found, step.columns, references)
        before = self._shelf["before", step.start, name] if step.continues else None
        self._shelf["before", step.start, name] = changed
        if all(changed.digest != own.digest for own in references):
            return self._scorer.columns(changed, references, before)
        # Maps that no change reaches are the same under every condition: they are compared once.
        told = step.columns, *(own and own.digest for own in (changed, before, *references))
        if told not in self._repeated:
            self._repeated[told] = self._scorer.columns(changed, references, before)
        return dict(self._repeated[told])

    def store_for_floor(self, step: Step, name: str, found: Found) -> None:
        """Store maps for the floor of the next draw, without comparing them.

        Args:
            step: gives the shard.
            name: the explainer.
            found: the maps.
        """
        self._queue.do(self._store, ("before", step.start, name), found, step.columns)

    def _store(self, key: Hashable, found: Found, columns: Collection[str] | None) -> None:
        self._shelf[key] = self._scorer.prepare(*found, columns)


def require_maps(maps: NDArray[Any], count: int, shape: tuple[int, ...]) -> None:
    """Check the shape of maps.

    Args:
        maps: the output of an explainer.
        count: number of images.
        shape: `(H, W, C)` of earlier maps of the explainer.

    Raises:
        ValueError: if the maps are not `[count, *shape]`.
    """
    if maps.ndim != 4 or len(maps) != count or maps.size == 0:
        raise ValueError(f"maps must be [{count}, H, W, C]; got shape {maps.shape}")
    if maps.shape[1:] != shape:
        raise ValueError(
            f"maps must keep their shape {(count, *shape)} under a change; got {maps.shape}"
        )
