"""What checks share: the untouched network, explained once more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from saliency_bench import randomize
from saliency_bench.protocols import Condition, Scene


@dataclass(frozen=True)
class Repeated:
    """Nothing is changed but the explainer's seed: how far a map repeats itself."""

    name: str = "repeat"
    stage: int = 0
    depth: float = 0.0
    draw: int = 0
    moves_output: bool = False
    references: tuple[Condition, ...] = ()

    @contextmanager
    def applied(self, network: Any, scene: Scene) -> Iterator[Scene]:
        """The same scene under other keys."""
        yield replace(scene, keys=randomize.other_keys(scene.keys, "repeat"))
