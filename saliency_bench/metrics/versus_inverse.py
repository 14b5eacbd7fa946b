"""A metric of a map, against that of the same map with its sign turned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench.metrics import base as shared
from saliency_bench.metrics.base import Bound, Inputs
from saliency_bench.protocols import FineTuning, Floats, Ints
from saliency_bench.protocols.metrics import (
    CURVE,
    VALUE,
    BoundMetric,
    Detailed,
    Explain,
    Metric,
    Numbers,
    tuning_of,
)


@dataclass(frozen=True)
class VersusInverse(shared.Metric):
    """What another metric gives a map more than the map with its sign turned.

    (QGE; Eiras-Franco et al., 2025.) The difference is positive where the map is the better one,
    whichever side of the base is the better one. It takes twice the cost of the base.

    Attributes:
        base: the metric, evaluated twice.
    """

    papers: ClassVar[tuple[str, ...]] = ("eirasfranco2025",)
    direction: ClassVar[Literal["higher", "lower"]] = "higher"

    base: Metric

    def __post_init__(self) -> None:
        if isinstance(self.base, type) or not hasattr(self.base, "bind"):
            raise ValueError(f"base must be a metric, such as ROAD(); got {self.base!r}")
        if self.base.family in ("robustness", "complexity") or getattr(
            self.base, "absolute", False
        ):
            raise ValueError(
                f"base must see the sign of a map; {self.base} gives a map and its inverse the same"
            )

    @property
    def family(self) -> Any:  # type: ignore[override]
        """As the base."""
        return self.base.family

    @property
    def unit(self) -> str:  # type: ignore[override]
        """As the base."""
        return self.base.unit

    @property
    def words(self) -> str:  # type: ignore[override]
        """Those of the base, and what is done with them."""
        return f"what a map has better than the same map turned around: {self.base.words}"

    @property
    def remark(self) -> str:  # type: ignore[override]
        """As the base."""
        return self.base.remark

    @property
    def needs_regions(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.needs_regions

    @property
    def explains(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.explains

    @property
    def chance(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.chance

    @property
    def controls(self) -> Mapping[str, str]:  # type: ignore[override]
        """As the base."""
        return self.base.controls

    @property
    def tuning(self) -> FineTuning | None:
        """As the base."""
        return tuning_of(self.base)

    @property
    def places(self) -> Any:
        """The points of the base's curve; none if it has none."""
        return getattr(self.base, "places", ())

    def moved(self, maps: Floats, keys: Ints) -> NDArray[np.float32]:
        """As the base."""
        return self.base.moved(maps, keys)

    def bind(self, model: Any) -> BoundMetric:
        """Compile the base for `model`."""
        sign = 1 if self.base.direction == "higher" else -1
        return _BoundDifference(self.base.bind(model), sign)


class _BoundDifference(Bound):
    """Numbers of an image: its value, and `CURVE` if the base has one."""

    def __init__(self, base: BoundMetric, sign: int) -> None:
        self._base, self._sign = base, sign

    @property
    def places(self) -> Any:
        """As the base."""
        return getattr(self._base, "places", None)

    def numbers(self, given: Inputs) -> Numbers:
        """The base's numbers of the maps minus those of the turned maps."""

        def measured(maps: Floats, explain: Explain | None) -> Numbers:
            base, images, targets = self._base, given.images, given.targets
            asked = base.measure if isinstance(base, Detailed) else base
            found = asked(
                maps, images, targets, regions=given.regions, explain=explain, keys=given.keys
            )
            return found if isinstance(found, Mapping) else {VALUE: found}

        one = measured(given.maps, given.explain)
        other = measured(-given.maps, _turned(given.explain))
        names = [name for name in (VALUE, CURVE) if name in one]
        return {name: self._sign * (one[name] - other[name]) for name in names}


def _turned(explain: Explain | None) -> Explain | None:
    if explain is None:
        return None

    def turned(images: Floats, targets: Ints, keys: Ints | None) -> Floats:
        return -explain(images, targets, keys)

    return turned
