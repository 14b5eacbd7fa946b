"""What an axiom finds, and what it asks of maps before it finds anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saliency_bench.properties.subject import deviation
from saliency_bench.protocols import Floats

CLOSE = 1e-4
"""Largest deviation of maps that must be equal, relative to their largest value."""


class NotTestable(Exception):
    """Model and images cannot show whether an axiom holds; the message says why."""


@dataclass(frozen=True)
class Finding:
    """The violation of an axiom.

    Attributes:
        deviation: its size; of maps, relative to their largest value.
        tolerance: the largest deviation that passes.
        reason: what was compared.
    """

    deviation: float
    tolerance: float
    reason: str


def yes_or_no(holds: bool, reason: str) -> Finding:
    """A finding that holds or not, without a size."""
    return Finding(0.0 if holds else float("inf"), 0.0, reason)


def require_finite(maps: Floats, which: str) -> Floats:
    """Return the maps, if all are finite."""
    if not np.isfinite(maps).all():
        raise NotTestable(f"the maps {which} are not finite")
    return maps


def differ(maps: Floats, expected: Floats) -> bool:
    """Whether maps differ by more than rounding."""
    return deviation(maps, expected) > CLOSE


def effect(changed: bool) -> str:
    """Whether a change of the network changed the map, in words."""
    return "changed the map" if changed else "did not change the map"
