"""What all explainers share: the checked call, and the evaluation of many samples of an image."""

from __future__ import annotations

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Bound, Floats, Ints
from saliency_bench.randomize import image_keys


class Method(ABC):
    """An attribution method: settings in the constructor, data in the call."""

    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = True
    multiplies_input: ClassVar[bool] = False

    @abstractmethod
    def bind(self, model: Any) -> Bound:
        """Compile for `model`; the result reads the model's live weights.

        Raises:
            NotApplicable: if the method cannot serve the model.
            ValueError: if the model has no output that can be explained.
        """

    def __call__(
        self, model: Any, images: Floats, targets: Ints, *, keys: Ints | None = None
    ) -> NDArray[np.float32]:
        """Raw signed maps `[N, H, W, C']` float32; `model` comes back as it was.

        Args:
            model: any built Keras model.
            images: `[N, H, W, C]` float, model units.
            targets: `[N]` int, the class to explain in each image.
            keys: `[N]` int, seeds of each image's noise; default: a hash of the image.

        Raises:
            ValueError: if images, targets or keys have a wrong shape, type or value.
        """
        images, targets = checked(images, targets)
        seeds = image_keys(images) if keys is None else np.asarray(keys)
        if seeds.shape != targets.shape:
            raise ValueError(f"keys must be one per image; got shape {seeds.shape}")
        return self.bind(model)(images, targets, keys=seeds)


@dataclass(frozen=True)
class Function(Method):
    """Any callable `f(model, images, targets) -> maps` as an explainer.

    It may leave out the last axis of its maps. Nothing is known of it, so it is taken as signed;
    whether it repeats itself is measured.
    """

    function: Callable[[Any, Floats, Ints], Floats]

    def __repr__(self) -> str:
        """By name and content, not address: it keys the cells, and two lambdas are two."""
        function = self.function
        if not inspect.isfunction(function):
            return f"Function({function!r})"
        digest = hashlib.blake2b(repr(_content(function)).encode(), digest_size=8).hexdigest()
        return f"Function({function.__module__}.{function.__qualname__}, {digest})"

    def bind(self, model: Any) -> Bound:
        """The function with its model."""

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = np.asarray(self.function(model, images, targets), np.float32)
            return maps[..., None] if maps.ndim == 3 else maps

        return bound


def _content(function: FunctionType) -> tuple[Any, ...]:
    """What a function does: its code, defaults and closure, and those of its module it calls."""
    found: dict[FunctionType, tuple[Any, ...]] = {}
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if one not in found:
            closed = [cell.cell_contents for cell in one.__closure__ or ()]
            found[one] = _code(one.__code__), one.__defaults__, one.__kwdefaults__, closed
            named = [one.__globals__.get(name) for name in _names(one.__code__)]
            waiting += [f for f in named if inspect.isfunction(f) and _beside(f, function)]
    return tuple(found.values())


def _beside(function: FunctionType, other: FunctionType) -> bool:
    return function.__module__ == other.__module__


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _code(code: CodeType) -> tuple[Any, ...]:
    constants = [_code(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_code, code.co_names, constants


def checked(images: Floats, targets: Ints) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images and targets in their own types.

    Raises:
        ValueError: if they have a wrong shape, type or value.
    """
    images, targets = np.asarray(images), np.asarray(targets)
    if images.ndim != 4 or not len(images):
        raise ValueError(f"images must be [N, H, W, C] with N >= 1; got shape {images.shape}")
    if not np.issubdtype(targets.dtype, np.integer) or targets.shape != (len(images),):
        raise ValueError(
            f"targets must be {len(images)} integers, one per image; "
            f"got {targets.dtype} of shape {targets.shape}"
        )
    if targets.min() < 0:
        raise ValueError(f"targets must be at least 0; got {targets.min()}")
    if not np.isfinite(images).all():
        first = int(np.argwhere(~np.isfinite(images))[0][0])
        raise ValueError(f"images must be finite; image {first} holds NaN or infinity")
    return images.astype(np.float32), targets.astype(np.int64)


@dataclass(frozen=True)
class Pairs:
    """A batch of image-sample pairs, image by image.

    Attributes:
        image: `[P]` which image each pair belongs to.
        sample: `[P]` which of its samples it is.
    """

    image: NDArray[np.int64]
    sample: NDArray[np.int64]

    def add_to(self, totals: NDArray[np.float64], values: Floats) -> None:
        """Add each pair's value `[P, ...]` to its image's total `[N, ...]`."""
        starts = np.flatnonzero(np.diff(self.image, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(values)], strict=True):
            # A batch is added up in its own precision, which is fast, and batches in float64.
            totals[self.image[start]] += values[start:stop].sum(axis=0)


def pairs(images: int, samples: int, batch: int) -> Iterator[Pairs]:
    """All `images * samples` pairs, `batch` of them at a time."""
    for start in range(0, images * samples, batch):
        index = np.arange(start, min(start + batch, images * samples))
        yield Pairs(index // samples, index % samples)
