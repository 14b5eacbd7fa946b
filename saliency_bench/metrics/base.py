"""What all metrics share: settings of a class, a bound metric, and the order of a map's pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench.metrics import imputers
from saliency_bench.protocols import Floats, Ints, Rows
from saliency_bench.protocols.metrics import VALUE, BoundMetric, Explain, Numbers
from saliency_bench.randomize import image_keys, stream

Regions = NDArray[np.bool_]

MOVES = 8
"""Most moves of a map that are tried until it is another map."""


class Metric(ABC):
    """A number per image of one map: settings in the constructor, data in the call.

    Attributes:
        family: what it is about.
        direction: the better side.
        unit: of its values.
        words: what a value is, a clause without a capital letter or a full stop.
        remark: what a reader of its values must know, in whole sentences; empty if nothing.
        chance: whether a map that knows nothing has a score, that of the same map moved elsewhere.
        needs_regions: whether it asks where in the image the evidence lies.
        explains: whether it explains changed images.
        beside: what further numbers of an image are that `measure` gives, by name.
        controls: the result that a control must not miss, by the name of its class.
        hits: whether each value is 1, a hit, or 0, a miss, and chance the probability of a hit.
    """

    family: ClassVar[Literal["faithfulness", "localisation", "robustness", "complexity"]]
    direction: ClassVar[Literal["higher", "lower"]] = "higher"
    unit: ClassVar[str]
    words: ClassVar[str]
    remark: ClassVar[str] = ""
    chance: ClassVar[bool] = True
    needs_regions: ClassVar[bool] = False
    explains: ClassVar[bool] = False
    beside: ClassVar[Mapping[str, str]] = {}
    controls: ClassVar[Mapping[str, str]] = {}
    hits: ClassVar[bool] = False

    @abstractmethod
    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`; the result always reads the model's current weights.

        Raises:
            NotApplicable: if the metric cannot serve the model.
            ValueError: if the model has no output that can be explained.
        """

    @property
    def lacks_images(self) -> bool:
        """Whether its imputer draws from other images, and has none yet."""
        return imputers.lacking(self)

    def among(self, images: Floats | Rows, name: str) -> Self:
        """The same metric, with images `[M, H, W, C]` for its imputer to draw from.

        Args:
            images: in model units.
            name: what they are, in the plural.
        """
        return imputers.with_images(self, images, name)

    def moved(self, maps: Floats, keys: Ints) -> NDArray[np.float32]:
        """The same maps at another place, so that they know nothing of their images.

        Each map is turned over at random along both axes, and shifted around the edges of the
        picture.

        Args:
            maps: `[N, h, w, C']`.
            keys: `[N]` int, of the images; they seed the moves.
        """
        result = np.empty(maps.shape, np.float32)
        for place, (plane, key) in enumerate(zip(maps, keys, strict=True)):
            random = stream("chance", key)
            for _ in range(MOVES):
                turned = plane[:: random.choice((-1, 1)), :: random.choice((-1, 1))]
                shift = [int(random.integers(size)) for size in plane.shape[:2]]
                result[place] = np.roll(turned, shift, axis=(0, 1))
                if not np.array_equal(result[place], plane):  # a small map may come back
                    break
        return result


@dataclass(frozen=True)
class Inputs:
    """What a metric is asked of: maps, and what they explain. They fit together.

    Attributes:
        maps: `[N, h, w, C']`.
        images: `[N, H, W, C]`, model units.
        targets: `[N]`.
        regions: `[N, H, W]`: where the evidence lies; empty where it is not known.
        explain: explains changed images.
        keys: `[N]`; they seed all that is random.
    """

    maps: NDArray[np.float32]
    images: NDArray[np.float32]
    targets: NDArray[np.int64]
    regions: Regions | None
    explain: Explain | None
    keys: NDArray[np.int64]


class Bound(ABC):
    """A metric for one model; a subclass says what it measures."""

    @abstractmethod
    def numbers(self, given: Inputs) -> Numbers:
        """What `measure` returns."""

    def measure(
        self,
        maps: Floats,
        images: Floats,
        targets: Ints,
        *,
        regions: Regions | None = None,
        explain: Explain | None = None,
        keys: Ints | None = None,
    ) -> Numbers:
        """One value per image, NaN where it is undefined, and what stands behind it.

        Args:
            maps: `[N, h, w, C']`.
            images: `[N, H, W, C]`, model units.
            targets: `[N]` int.
            regions: `[N, H, W]` bool: where the evidence lies; empty where it is not known.
            explain: explains changed images.
            keys: `[N]` int, which seed all that is random; default: a hash of each image.

        Raises:
            ValueError: in one line, if they do not fit together.
        """
        images = np.asarray(images, np.float32)
        maps = np.asarray(maps, np.float32)
        _require_fit(maps, images, regions)
        seeds = image_keys(images) if keys is None else np.asarray(keys, np.int64)
        given = Inputs(maps, images, np.asarray(targets), regions, explain, seeds)
        return self.numbers(given)

    def __call__(
        self,
        maps: Floats,
        images: Floats,
        targets: Ints,
        *,
        regions: Regions | None = None,
        explain: Explain | None = None,
        keys: Ints | None = None,
    ) -> NDArray[np.float64]:
        """The values of `measure`, `[N]`."""
        found = self.measure(maps, images, targets, regions=regions, explain=explain, keys=keys)
        return np.asarray(found[VALUE], np.float64)


def require_count(name: str, value: object, least: int) -> None:
    """Raise `ValueError` in one line unless a setting is a whole number of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number; got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")


def ranked(plane: Floats, key: int, purpose: str) -> NDArray[np.int64]:
    """Flat positions of a plane `[...]`, highest value first; ties lie in a random order.

    Args:
        plane: one number per position.
        key: of the image; it seeds the order of ties.
        purpose: names the stream of that order.
    """
    flat = np.asarray(plane, np.float64).ravel()
    return np.lexsort((stream(purpose, key).random(flat.size), -flat))


def _require_fit(maps: Floats, images: Floats, regions: Regions | None) -> None:
    if maps.ndim != 4 or images.ndim != 4 or len(maps) != len(images):
        raise ValueError(
            f"maps must be [N, h, w, C'] for images [N, H, W, C]; got shapes {maps.shape} and "
            f"{images.shape}"
        )
    if regions is not None and regions.shape != images.shape[:3]:
        raise ValueError(
            f"regions must be {images.shape[:3]}, a mask per image; got shape {regions.shape}"
        )


def rising(shares: Sequence[float]) -> tuple[float, ...]:
    """Shares of the pixels as numbers.

    Raises:
        ValueError: if they do not rise between 0 and 1.
    """
    if not isinstance(shares, Sequence) or isinstance(shares, str):
        raise ValueError(f"shares must be a list of numbers; got {shares!r}")
    numbers = tuple(float(share) for share in shares)
    if not numbers or not (np.diff([0.0, *numbers, 1.0]) > 0).all():
        raise ValueError(f"shares must rise between 0 and 1; got {list(numbers)}")
    return numbers
