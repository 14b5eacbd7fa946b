"""Controls of noise, keyed by what their maps depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.controls.base import Control
from saliency_bench.explainers.handing_back import handing_back
from saliency_bench.protocols import Bound, Floats, Ints
from saliency_bench.randomize import image_keys, stream


@dataclass(frozen=True)
class RandomFrozen(Control):
    """Noise that is fixed per image and ignores the model: it must fail."""

    signed: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset()

    seed: int = 0

    def bind(self, model: Any) -> Bound:
        """Return the control; the model is not used."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            seeds = image_keys(images) if keys is None else keys
            return _noise([("random_frozen", self.seed, int(key)) for key in seeds], images)

        return explain

    def handing_back(self, model: Any) -> Bound:
        """One direction for every signal: noise that is fixed per image."""
        gradients = handing_back(model, "logit")

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            shape = gradients(images, targets).shape
            return _relevance(("frozen relevance", self.seed), image_keys(images), shape)

        return explain


@dataclass(frozen=True)
class RandomFresh(Control):
    """Noise keyed by seed, image, target and weights: any change of these gives other noise."""

    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset({"noise", "weights"})

    seed: int = 0

    def bind(self, model: Any) -> Bound:
        """Return the control, which hashes the current weights at every call."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            weights = network.fingerprint(model)
            seeds = image_keys(images) if keys is None else keys
            return _noise(
                [
                    ("random_fresh", self.seed, weights, int(key), int(target))
                    for key, target in zip(seeds, targets, strict=True)
                ],
                images,
            )

        return explain

    def handing_back(self, model: Any) -> Bound:
        """A direction of its own for every signal: noise that no layer has touched."""
        gradients = handing_back(model, "logit")

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            seeds = image_keys(images) if keys is None else keys
            shape = gradients(images, targets).shape
            return _relevance(("fresh relevance", self.seed), seeds, shape)

        return explain


@dataclass(frozen=True)
class WeightHash(Control):
    """Noise keyed by the weights and the image alone."""

    signed: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset({"weights"})

    def bind(self, model: Any) -> Bound:
        """Return the control, which hashes the current weights at every call."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            weights = network.fingerprint(model)
            seeds = image_keys(images) if keys is None else keys
            return _noise([("weight_hash", weights, int(key)) for key in seeds], images)

        return explain


@dataclass(frozen=True)
class TargetHash(Control):
    """Noise keyed by the weights, the image and the target: a map that tells classes apart."""

    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset({"weights"})

    def bind(self, model: Any) -> Bound:
        """Return the control, which hashes the current weights at every call."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            weights = network.fingerprint(model)
            seeds = image_keys(images) if keys is None else keys
            pairs = zip(seeds, targets, strict=True)
            return _noise(
                [("target_hash", weights, int(key), int(target)) for key, target in pairs], images
            )

        return explain


@dataclass(frozen=True)
class InputNoise(Control):
    """The input times noise that is keyed by the weights and the image.

    It is what a method that multiplies by the input shows of a network it knows nothing about
    (Kokhlikyan et al., 2021): what is left of its magnitude is the input's share. A map that
    multiplies by the input depends on the network as far as less is left of it.
    """

    signed: ClassVar[bool] = True
    multiplies_input: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset({"weights"})

    def bind(self, model: Any) -> Bound:
        """Return the control, which hashes the current weights at every call."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            weights = network.fingerprint(model)
            seeds = image_keys(images) if keys is None else keys
            names = [("input_noise", weights, int(key)) for key in seeds]
            factors = [stream(*own).standard_normal(images.shape[1:], np.float32) for own in names]
            return np.asarray(np.stack(factors) * images, np.float32)

        return explain


def _relevance(name: tuple[str, int], seeds: Ints, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Noise of `shape` `[N, h, w, C]`, a stream per image."""
    streams = (stream(*name, int(key)) for key in seeds)
    return np.stack([random.standard_normal(shape[1:], np.float32) for random in streams])


def _noise(seeds: list[tuple[int | str, ...]], images: Floats) -> NDArray[np.float32]:
    """Standard normal maps `[N, H, W, 1]`, one per seed."""
    shape = (*images.shape[1:3], 1)
    return np.stack([stream(*seed).standard_normal(shape, np.float32) for seed in seeds])
