"""Controls of noise, keyed by what their maps depend on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.controls.base import Control
from saliency_bench.explainers.handing_back import handing_back
from saliency_bench.protocols import Bound, Floats, Ints
from saliency_bench.randomize import image_keys, stream

Name = tuple[int | str, ...]
"""The name of a random stream."""


class _Noise(Control):
    """Noise `[N, H, W, 1]` from a random stream for each image; `name` says what it is keyed by."""

    signed: ClassVar[bool] = True

    sees_model: ClassVar[bool] = True
    """Whether the stream is keyed by the weights."""

    @abstractmethod
    def name(self, weights: str, key: int, target: int) -> Name:
        """The name of an image's stream.

        Args:
            weights: hash of the current weights; empty if the control does not see the model.
            key: of the image.
            target: the class that is explained.
        """

    def of(self, names: Sequence[Name], images: Floats) -> NDArray[np.float32]:
        """Maps of images `[N, H, W, C]` by the names of their streams."""
        return _noise(names, (*images.shape[1:3], 1))

    def bind(self, model: Any) -> Bound:
        """Return the control, which hashes the current weights at every call if it sees them."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            weights = network.fingerprint(model) if self.sees_model else ""
            pairs = zip(image_keys(images) if keys is None else keys, targets, strict=True)
            return self.of([self.name(weights, int(k), int(t)) for k, t in pairs], images)

        return explain


@dataclass(frozen=True)
class RandomFrozen(_Noise):
    """Noise that is fixed per image and ignores the model: it must fail."""

    sees_model: ClassVar[bool] = False
    axioms: ClassVar[frozenset[str]] = frozenset()

    seed: int = 0

    def name(self, weights: str, key: int, target: int) -> Name:
        """By seed and image."""
        return "random_frozen", self.seed, key

    def handing_back(self, model: Any) -> Bound:
        """One direction for every signal: noise that is fixed per image."""
        gradients = handing_back(model, "logit")

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            shape = gradients(images, targets).shape
            seeds = image_keys(images)
            names: list[Name] = [("frozen relevance", self.seed, int(key)) for key in seeds]
            return _noise(names, shape[1:])

        return explain


@dataclass(frozen=True)
class RandomFresh(_Noise):
    """Noise keyed by seed, image, target and weights: any change of these gives other noise."""

    papers: ClassVar[tuple[str, ...]] = ("binder2023",)
    class_specific: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset({"noise", "weights"})

    seed: int = 0

    def name(self, weights: str, key: int, target: int) -> Name:
        """By seed, weights, image and target."""
        return "random_fresh", self.seed, weights, key, target

    def handing_back(self, model: Any) -> Bound:
        """A direction of its own for every signal: noise that no layer has touched."""
        gradients = handing_back(model, "logit")

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            seeds = image_keys(images) if keys is None else keys
            names: list[Name] = [("fresh relevance", self.seed, int(key)) for key in seeds]
            return _noise(names, gradients(images, targets).shape[1:])

        return explain


@dataclass(frozen=True)
class WeightHash(_Noise):
    """Noise keyed by the weights and the image alone."""

    axioms: ClassVar[frozenset[str]] = frozenset({"weights"})

    def name(self, weights: str, key: int, target: int) -> Name:
        """By weights and image."""
        return "weight_hash", weights, key


@dataclass(frozen=True)
class TargetHash(_Noise):
    """Noise keyed by the weights, the image and the target: a map that tells classes apart."""

    class_specific: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset({"weights"})

    def name(self, weights: str, key: int, target: int) -> Name:
        """By weights, image and target."""
        return "target_hash", weights, key, target


@dataclass(frozen=True)
class InputNoise(_Noise):
    """The input times noise that is keyed by the weights and the image.

    It is what a method that multiplies by the input shows of a network it knows nothing about
    (Kokhlikyan et al., 2021): what is left of its magnitude is the input's share. A map that
    multiplies by the input depends on the network as far as less is left of it.
    """

    papers: ClassVar[tuple[str, ...]] = ("kokhlikyan2021",)
    multiplies_input: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset({"weights"})

    def name(self, weights: str, key: int, target: int) -> Name:
        """By weights and image."""
        return "input_noise", weights, key

    def of(self, names: Sequence[Name], images: Floats) -> NDArray[np.float32]:
        """Noise for every value of the images, times it."""
        return np.asarray(_noise(names, images.shape[1:]) * images, np.float32)


def _noise(names: Sequence[Name], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers `[N, *shape]`, from a stream per image."""
    return np.stack([stream(*name).standard_normal(shape, np.float32) for name in names])
