"""What a metric finds on the maps of an explainer: asked, and checked before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import CONSTANT, NAN, OK, Floats, Scene
from saliency_bench.protocols.metrics import CHANCE, VALUE, BoundMetric, Detailed, Numbers


def ties(maps: Floats) -> NDArray[np.float64]:
    """Share `[N]` of each map's pixels whose value, over the channels, is that of another one."""
    shares = np.zeros(len(maps))
    for place, plane in enumerate(maps.sum(axis=-1).reshape(len(maps), -1)):
        _, counts = np.unique(plane, return_counts=True)
        shares[place] = counts[counts > 1].sum() / plane.size
    return shares


def measure(metric: BoundMetric, maps: Floats, scene: Scene, given: Mapping[str, Any]) -> Numbers:
    """All that a metric finds, `[N, ...]` each.

    Raises:
        ValueError: if it does not return one number per image.
    """
    ask: Callable[..., Any] = metric.measure if isinstance(metric, Detailed) else metric
    found = ask(maps.copy(), scene.images.copy(), scene.targets.copy(), **given)
    numbers: Numbers = found if isinstance(found, Mapping) else {VALUE: found}
    if VALUE not in numbers:
        raise ValueError(f"a metric must return {VALUE!r}; got {', '.join(map(str, numbers))}")
    values = np.asarray(numbers[VALUE])
    if values.dtype.kind not in "biuf":
        raise ValueError(f"a metric must return real numbers; got {values.dtype}")
    for name in (VALUE, CHANCE):
        if name in numbers and np.shape(numbers[name]) != (len(maps),):
            raise ValueError(
                f"a metric must return {len(maps)} numbers as {name}, one per image; got shape "
                f"{np.shape(numbers[name])}"
            )
    return {**numbers, VALUE: values.astype(np.float64)}


def statuses(maps: Floats, values: NDArray[np.float64]) -> NDArray[np.int8]:
    """`[N]` indices into `STATUSES`; an undefined value of a map that varies is NaN."""
    flat = maps.sum(axis=-1).reshape(len(maps), -1)
    constant = flat.min(axis=1) == flat.max(axis=1)
    defined = np.isfinite(values)
    return np.select([defined, constant], [OK, CONSTANT], NAN).astype(np.int8)
