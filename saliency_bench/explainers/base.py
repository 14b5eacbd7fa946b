"""What all explainers share: the checked call, and the evaluation of many samples of an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench.code import described
from saliency_bench.protocols import Bound, Explainer, Floats, Ints
from saliency_bench.randomize import image_keys

Upsample = Literal["bilinear", "nearest", "bicubic"]
"""How a layer's map is brought to the size of the image."""

TINY, HUGE = 1e-20, 1e38
"""Largest absolute values between which a whole map fits into float32."""


USUAL = frozenset({"noise", "weights", "shift_invariance"})
"""Properties that most explainers have beside those that all have: see `properties`.

Some promise `linearity`; `completeness`, with `reference(images)`, the images whose output the
map starts from; `conservation`, with `conserved(scores)`, what it sums to where nothing is biased.
"""


class Method(ABC):
    """An attribution method: settings in the constructor, data in the call."""

    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = True
    multiplies_input: ClassVar[bool] = False
    promises: ClassVar[frozenset[str]] = USUAL

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
class Wrapped(Method):
    """A method made of another explainer's maps; it says of itself what that one does.

    Attributes:
        base: the explainer whose maps are used.
    """

    base: Explainer

    @property
    def signed(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.signed

    @property
    def class_specific(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.class_specific

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.stochastic

    @property
    def uses_gradients(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.uses_gradients

    @property
    def multiplies_input(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.multiplies_input

    @property
    def promises(self) -> frozenset[str]:  # type: ignore[override]
        """What a mean or a filter of the base's maps keeps of its promises."""
        return getattr(self.base, "promises", USUAL) & (USUAL | {"linearity"})


@dataclass(frozen=True)
class Function(Method):
    """Any callable `f(model, images, targets) -> maps` as an explainer.

    It may leave out the last axis of its maps. Nothing is known of it, so it is taken as signed;
    whether it repeats itself is measured.
    """

    function: Callable[[Any, Floats, Ints], Floats]

    def __repr__(self) -> str:
        """By name and content, not address: it keys the cells, and two lambdas are two."""
        return f"Function({described(self.function)})"

    def bind(self, model: Any) -> Bound:
        """The function with its model."""

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = np.asarray(self.function(model, images, targets), np.float32)
            return maps[..., None] if maps.ndim == 3 else maps

        return bound


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


def in_float32(maps: Floats) -> NDArray[np.float32]:
    """Maps `[N, ...]` in their own unit, unless float32 cannot hold it.

    A map whose largest absolute value is below 1e-20 would lose its small ones there, and one
    above 1e38 its large ones: it comes in units of that value.
    """
    peak = np.abs(maps).max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    unit = np.where((peak > 0) & (peak < TINY) | (peak > HUGE), peak, 1.0)
    return np.asarray(maps / unit, np.float32)


def require_upsample(how: str | None) -> None:
    """Raise `ValueError` if a map cannot be brought to the size of the image like this."""
    if how is not None and how not in get_args(Upsample):
        known = ", ".join(get_args(Upsample))
        raise ValueError(f"upsample must be one of {known} or None; got {how!r}")
