"""What all explainers share: the checked call, and the evaluation of many samples of an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saliency_bench import network
from saliency_bench.protocols import Bound, Explainer, Floats, Ints
from saliency_bench.randomize import image_keys
from saliency_bench.storage.fingerprint import describe

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
        return f"Function({describe(self.function)})"

    def bind(self, model: Any) -> Bound:
        """The function with its model."""
        foreign = Foreign(self, model)

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            return foreign.finite(foreign.shaped(self.function(model, images, targets), images))

        return bound


class Foreign:
    """What is asked of maps that code returns which is not ours.

    Args:
        explainer: whose maps they are.
        model: it is bound to, untouched as yet.
    """

    def __init__(self, explainer: Explainer, model: Any) -> None:
        self._explainer = explainer
        self._model = model
        self._untouched = self._weights()

    def shaped(self, maps: Any, images: Floats) -> NDArray[np.float32]:
        """Maps `[N, h, w, 1]` or as the images `[N, H, W, C]`; the last axis may be left out.

        Raises:
            ValueError: if they have another shape.
        """
        found = np.asarray(maps, np.float32)
        placed = found[..., None] if found.ndim == 3 else found
        alike = placed.shape[:1] == images.shape[:1] and placed.ndim == 4 and placed.size > 0
        if not alike or (placed.shape[-1] != 1 and placed.shape != images.shape):
            raise ValueError(
                f"{self._explainer!r} must return maps [N, h, w], [N, h, w, 1] or shaped as the "
                f"images, {images.shape}; got shape {found.shape}"
            )
        return placed

    def finite(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same maps; those of a network that was changed may be what they are.

        Raises:
            ValueError: if one is not finite though the network is untouched.
        """
        broken = ~np.isfinite(maps).all(axis=(1, 2, 3))
        # A redrawn network may overflow; that is a result, and is counted.
        if broken.any() and self._weights() == self._untouched:
            first = int(np.flatnonzero(broken)[0])
            raise ValueError(
                f"{self._explainer!r} must return finite maps of an untouched network; "
                f"that of image {first} is not"
            )
        return maps

    def _weights(self) -> str:
        """Hash of the live weights; a function that ignores the model may do without one."""
        return "" if self._model is None else network.fingerprint(self._model)


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


def plain(baseline: ArrayLike) -> Any:
    """A baseline as a number or nested tuples: equal, hashed and shown by content, as cells need.

    Raises:
        ValueError: if it is not finite.
    """
    values = np.asarray(baseline, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("baseline must be finite; it holds NaN or infinity")
    return _tuples(values.tolist())


def _tuples(values: Any) -> Any:
    return tuple(map(_tuples, values)) if isinstance(values, list) else values


def fitted(baseline: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A baseline of images of `shape` `(H, W, C)`, to which it can be broadcast.

    Raises:
        ValueError: if it cannot.
    """
    values = np.asarray(baseline, np.float32)
    try:
        fits = np.broadcast_shapes(values.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"baseline must fit images {shape}; got shape {values.shape}")
    return values
