"""Protocols of metrics: numbers that say whether one map is right, stable or readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.fine_tuning import FineTuning
from saliency_bench.protocols.lazy_images import Rows
from saliency_bench.protocols.scenes import Floats, Ints

Explain = Callable[[Floats, Ints, Ints | None], Floats]
"""Explains other images as the maps were made: images `[M, H, W, C]`, targets `[M]` and keys `[M]`
(or None) to maps `[M, H, W, C']`."""

Numbers = Mapping[str, NDArray[Any]]
"""What a metric found, by name: `VALUE` `[N]`, NaN where it is undefined; further arrays of N rows,
such as the curve behind each value."""

VALUE, CURVE, CHANCE = "value", "curve", "chance"
"""`CHANCE` `[N]`: what maps that know nothing score, from a metric that need not move maps for it.
"""


class BoundMetric(Protocol):
    """A metric for one model: compiled once, and reads the live weights of the model."""

    def __call__(
        self,
        maps: Floats,
        images: Floats,
        targets: Ints,
        *,
        regions: NDArray[np.bool_] | None = None,
        explain: Explain | None = None,
        keys: Ints | None = None,
    ) -> NDArray[np.float64]:
        """One number per image `[N]`, NaN where it is undefined.

        A number depends on its own row alone: not on the batch, nor on the order of the images.

        Args:
            maps: `[N, h, w, C']`.
            images: `[N, H, W, C]`, model units, that the maps explain.
            targets: `[N]` int, the explained classes.
            regions: `[N, H, W]` bool: where the evidence lies; empty where it is not known.
            explain: explains changed images.
            keys: `[N]` int, which seed all that is random; default: a hash of each image.
        """
        ...


@runtime_checkable
class Detailed(Protocol):
    """A bound metric that gives more than its value."""

    def measure(
        self,
        maps: Floats,
        images: Floats,
        targets: Ints,
        *,
        regions: NDArray[np.bool_] | None = None,
        explain: Explain | None = None,
        keys: Ints | None = None,
    ) -> Numbers:
        """As the call, with all that stands behind the value."""
        ...


FAMILIES = ("faithfulness", "localisation", "robustness", "complexity")
DIRECTIONS = ("higher", "lower")


@dataclass(frozen=True)
class MetricFacts:
    """What a metric declares about itself; inference and report know nothing else about it.

    Attributes:
        family: what it is about.
        direction: the better side.
        unit: of its values.
        words: what a value is, a clause without a capital letter or a full stop.
        chance: whether values are compared with those of moved maps.
        controls: the result that a control must not miss, by the name of its class.
        remark: what a reader must know, in whole sentences; empty if nothing.
        places: the share of the picture at each point of its curve; empty if it has none.
        beside: what its further numbers of an image are, by name.
        hits: whether each value is 1, a hit, or 0, a miss, and chance the probability of a hit.
    """

    family: str
    direction: str
    unit: str
    words: str
    chance: bool
    controls: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    places: tuple[float, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    hits: bool = False

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """Read the output of `dataclasses.asdict`, also from a file, which has lists."""
        return cls(**{**facts, "places": tuple(facts.get("places", ()))})

    @classmethod
    def of(cls, metric: Metric) -> Self:
        """What a metric declares.

        Raises:
            ValueError: if its family or direction is none.
        """
        for what, value, known in (
            ("family", metric.family, FAMILIES), ("direction", metric.direction, DIRECTIONS)
        ):  # fmt: skip
            if value not in known:
                text = f"{type(metric).__name__}.{what} must be one of {', '.join(known)}"
                raise ValueError(f"{text}; got {value!r}")
        places = tuple(map(float, getattr(metric, "places", ())))
        return cls(
            metric.family, metric.direction, metric.unit, metric.words, metric.chance,
            dict(metric.controls), metric.remark, places, dict(metric.beside),
            getattr(metric, "hits", False),
        )  # fmt: skip


@runtime_checkable
class Sampling(Protocol):
    """A metric that may hide pixels behind those of other images, which a run gives it."""

    @property
    def lacks_images(self) -> bool:
        """Whether it asks for images to draw from."""
        ...

    def among(self, images: Floats | Rows, name: str) -> Metric:
        """The same metric, with images `[M, H, W, C]` to draw from, in model units.

        Args:
            images: those of the whole data set, whatever part of it a process explains.
            name: what they are, in the plural.
        """
        ...


@runtime_checkable
class Metric(Protocol):
    """A number per image of one map, asked of the model, of a mask, or of the map itself."""

    family: ClassVar[Literal["faithfulness", "localisation", "robustness", "complexity"]]
    """What it is about."""

    direction: ClassVar[Literal["higher", "lower"]]
    """The better side."""

    unit: ClassVar[str]
    """Of its values, e.g. "share of the map", "logit"."""

    words: ClassVar[str]
    """What a value is, a clause: "the share of the positive relevance that lies in the mask"."""

    remark: ClassVar[str]
    """What a reader of its values must know, in whole sentences; empty if nothing."""

    chance: ClassVar[bool]
    """Whether the same map, moved to another place of the picture, says what a map that knows
    nothing scores. Else the metric gives a number without a verdict."""

    needs_regions: ClassVar[bool]
    """Whether it asks where in the image the evidence lies."""

    explains: ClassVar[bool]
    """Whether it explains changed images."""

    beside: ClassVar[Mapping[str, str]]
    """What further numbers of an image are that a `Detailed` metric gives, by name; clauses."""

    controls: ClassVar[Mapping[str, str]]
    """The result that a control must not miss, by the name of its class: "better" of an oracle,
    "not better" of noise."""

    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`. Raises `NotApplicable` if the metric cannot serve it."""
        ...

    def moved(self, maps: Floats, keys: Ints) -> NDArray[np.float32]:
        """Maps `[N, h, w, C']` of the same values that know nothing of the images of the keys."""
        ...


def tuning_of(metric: object) -> FineTuning | None:
    """What the network must learn before a metric is asked: its `tuning`; None if it has none.

    While such a metric is called, the network has the weights of the fine-tuned one. The maps are
    those of the network under test.
    """
    tuning: FineTuning | None = getattr(metric, "tuning", None)
    return tuning


def learns(metric: object) -> bool:
    """Whether a metric asks for images to train on, to fine-tune the network or to draw from."""
    samples = isinstance(metric, Sampling) and metric.lacks_images
    return samples or tuning_of(metric) is not None
