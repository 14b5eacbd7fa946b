"""Shared parts of checks: the repeated untouched network, and the validation of settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from saliency_bench import randomize
from saliency_bench.protocols import Network, Place, Scene


@dataclass(frozen=True)
class Repeated:
    """A condition that changes only the explainer's seed, to measure how well maps repeat."""

    name: str = "repeat"
    stage: int = 0
    depth: float = 0.0
    draw: int = 0
    moves_output: bool = False
    destroys: bool = False
    references: tuple[Place, ...] = ()

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """The same scene with other keys."""
        yield replace(scene, keys=randomize.other_keys(scene.keys, "repeat"))


def require_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Require that a setting has an allowed value.

    Args:
        name: of the setting.
        value: its value.
        allowed: the allowed values.

    Raises:
        ValueError: if the value is not allowed.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
