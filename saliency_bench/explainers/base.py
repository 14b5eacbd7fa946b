"""What all explainers share: the call with its checks, wrappers, and helpers for settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saliency_bench import network
from saliency_bench.protocols import Bound, Explainer, Floats, Ints, SettingError
from saliency_bench.protocols.inputs import as_images, as_targets
from saliency_bench.randomize import image_keys

Upsample = Literal["bilinear", "nearest", "bicubic"]
"""Interpolation that brings a layer's map to the size of the image."""

TINY, HUGE = 1e-20, 1e38
"""A map fits into float32 if its largest absolute value lies between these."""


USUAL = frozenset({"noise", "weights", "shift_invariance", "confinement"})
"""Axioms that most explainers claim: see `saliency_bench.properties`.

Some claim more: `linearity`; `completeness`, with a method `reference(images)` that returns the
baseline images; `conservation`, with a method `conserved(scores)` that returns what maps sum to
in a network without biases.
"""


class Method(ABC):
    """An attribution method: settings in the constructor, data in the call.

    Attributes:
        signed: whether maps may have negative values.
        class_specific: whether the map depends on the target.
        stochastic: whether the map depends on the keys.
        uses_gradients: whether the method needs gradients of the network.
        multiplies_input: whether the map contains the input as a factor.
        thread_safe: whether several threads may call what `bind` returns at the same time.
        axioms: names of the axioms that the method claims, beside those of every explainer.
    """

    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = True
    multiplies_input: ClassVar[bool] = False
    thread_safe: ClassVar[bool] = False
    axioms: ClassVar[frozenset[str]] = USUAL

    def reach(self, height: int, width: int) -> float:
        """Pixels beside those that the network sees that may get a value, in such an image.

        0 for an exact method. One that looks at patches leaks up to a patch; infinity: it may leak
        anywhere, and does not claim the axiom `confinement`.
        """
        return 0.0

    @abstractmethod
    def bind(self, model: Any) -> Bound:
        """Compile for `model`; the result always reads the model's current weights.

        Raises:
            NotApplicable: if the method cannot serve the model.
            ValueError: if the model has no output that can be explained.
        """

    def __call__(
        self, model: Any, images: Floats, targets: Ints, *, keys: Ints | None = None
    ) -> NDArray[np.float32]:
        """Explain images: raw signed maps `[N, H, W, C']` float32; `model` is unchanged afterwards.

        Args:
            model: any built Keras model.
            images: `[N, H, W, C]` float, model units.
            targets: `[N]` int, the class to explain in each image.
            keys: `[N]` int, the seed of each image's noise; default: a hash of the image.

        Raises:
            NotApplicable: if the method cannot serve the model.
            ValueError: if images, targets or keys have a wrong shape, type or value.
        """
        images, targets = validate(images, targets, model)
        seeds = image_keys(images) if keys is None else np.asarray(keys)
        if seeds.shape != targets.shape:
            raise ValueError(f"keys must be one per image; got shape {seeds.shape}")
        return self.bind(model)(images, targets, keys=seeds)


class Compiled(Method):
    """A method whose settings alone decide what it does with a model: equal ones share the result.

    What `compile` returns must keep nothing of a call, so that threads and callers can share it.
    """

    thread_safe: ClassVar[bool] = True

    def bind(self, model: Any) -> Bound:
        """Compile for `model`, once for equal settings; a model that was altered is noticed.

        Raises:
            NotApplicable: if the method cannot serve the model.
            ValueError: if the model has no output that can be explained.
        """
        if not self.thread_safe:
            return self.compile(model)
        network.require_built(model)
        return network.once(model, (self, network.Batches()), self.compile)

    @abstractmethod
    def compile(self, model: Any) -> Bound:
        """As `bind`, anew in each call."""


@dataclass(frozen=True)
class Wrapper(Compiled):
    """A method made of another explainer's maps, with that explainer's class attributes.

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
    def thread_safe(self) -> bool:  # type: ignore[override]
        """As the base."""
        return getattr(self.base, "thread_safe", False)

    @property
    def axioms(self) -> frozenset[str]:  # type: ignore[override]
        """Those of the base that hold for a mean or a filter of its maps too."""
        return getattr(self.base, "axioms", USUAL) & (USUAL | {"linearity"})

    def reach(self, height: int, width: int) -> float:
        """As the base."""
        own = getattr(self.base, "reach", super().reach)
        return float(own(height, width))


def validate(
    images: Any, targets: Any, model: Any = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images as float32 and targets as int64.

    Args:
        images: `[N, H, W, C]`.
        targets: `[N]`.
        model: the model that must take them; None if it is not known yet.

    Raises:
        ValueError: if they have a wrong shape, type or value, or do not fit the model.
    """
    given = as_images(images)
    classes = as_targets(targets, len(given))
    network.require_fit(model, given.shape[1:])
    with np.errstate(over="ignore"):
        pixels = np.array(given, np.float32)
    if not np.isfinite(pixels).all():
        first = int(np.argwhere(~np.isfinite(pixels))[0][0])
        raise ValueError(f"images must be finite; image {first} holds NaN or infinity")
    return pixels, classes


def in_float32(maps: Floats) -> NDArray[np.float32]:
    """Maps `[N, ...]` as float32; a map that does not fit is divided by its largest absolute value.

    A map does not fit if that value is below 1e-20, so that small values vanish, or above 1e38.
    """
    peak = np.abs(maps).max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    unit = np.where((peak > 0) & (peak < TINY) | (peak > HUGE), peak, 1.0)
    return np.asarray(maps / unit, np.float32)


def require_upsample(how: str | None) -> None:
    """Raise `ValueError` if `how` is no known interpolation or None."""
    if how is not None and how not in get_args(Upsample):
        known = ", ".join(get_args(Upsample))
        raise ValueError(f"upsample must be one of {known} or None; got {how!r}")


def as_grid(grid: Sequence[int] | None) -> tuple[int, int] | None:
    """Rows and columns of tokens as a pair, which compares and prints by content.

    Raises:
        ValueError: if they are not two positive integers.
    """
    if grid is None:
        return None
    sizes = list(grid) if isinstance(grid, Sequence) and not isinstance(grid, str) else []
    whole = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
    if len(sizes) != 2 or not whole or min(sizes) < 1:
        raise ValueError(
            f"grid must be two positive integers, rows and columns of tokens; got {grid!r}"
        )
    return sizes[0], sizes[1]


def as_tuples(baseline: ArrayLike) -> Any:
    """A baseline as a number or nested tuples, which compare, hash and print by content.

    Raises:
        ValueError: if it is not finite.
    """
    values = np.asarray(baseline, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("baseline must be finite; it holds NaN or infinity")
    return _tuples(values.tolist())


def _tuples(values: Any) -> Any:
    return tuple(map(_tuples, values)) if isinstance(values, list) else values


def fit_baseline(baseline: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A baseline as float32, if it broadcasts to images of `shape` `(H, W, C)`.

    Raises:
        ValueError: if it does not.
    """
    values = np.asarray(baseline, np.float32)
    try:
        fits = np.broadcast_shapes(values.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise SettingError(f"baseline must fit images {shape}; got shape {values.shape}")
    return values
