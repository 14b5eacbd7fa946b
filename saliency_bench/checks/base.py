"""What checks share: the untouched network explained once more, and the check of a setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from saliency_bench import randomize
from saliency_bench.protocols import Network, Place, Scene


@dataclass(frozen=True)
class Repeated:
    """Nothing is changed but the explainer's seed: how far a map repeats itself."""

    name: str = "repeat"
    stage: int = 0
    depth: float = 0.0
    draw: int = 0
    moves_output: bool = False
    destroys: bool = False
    references: tuple[Place, ...] = ()

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """The same scene under other keys."""
        yield replace(scene, keys=randomize.other_keys(scene.keys, "repeat"))


def require_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raises `ValueError` unless the setting `name` is one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
