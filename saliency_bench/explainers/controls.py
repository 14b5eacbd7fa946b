"""Controls: explainers whose verdict is known beforehand, with which a run tests itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from saliency_bench import network
from saliency_bench.explainers.base import Method
from saliency_bench.explainers.handing_back import handing_back
from saliency_bench.protocols import Bound, Floats, Ints
from saliency_bench.randomize import image_keys, stream


class Control(Method):
    """An explainer whose verdict is known beforehand: each check names the expected one."""

    signed: ClassVar[bool] = False
    class_specific: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = False
    thread_safe: ClassVar[bool] = True


class _ImageOnly(Control):
    """A control whose map depends on the image alone."""

    axioms: ClassVar[frozenset[str]] = frozenset({"noise"})

    def bind(self, model: Any) -> Bound:
        """Return the control; the model is not used."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            return self.of(np.asarray(images, np.float32))

        return explain

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps `[N, H, W, 1]` or `[N, H, W, C]` of images `[N, H, W, C]`."""
        raise NotImplementedError


@dataclass(frozen=True)
class EdgeDetector(_ImageOnly):
    """Sobel gradient magnitude of each channel (Adebayo et al., 2018, figure 1)."""

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Edge strength `[N, H, W, C]`."""
        return np.hypot(_sobel(images, along=1, across=2), _sobel(images, along=2, across=1))


@dataclass(frozen=True)
class InputMagnitude(_ImageOnly):
    """The absolute value of the input."""

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """`|images|`, `[N, H, W, C]`."""
        return np.abs(images)


@dataclass(frozen=True)
class Constant(_ImageOnly):
    """The same value everywhere: a map that says nothing."""

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Ones, `[N, H, W, 1]`."""
        return np.ones((*images.shape[:3], 1), np.float32)


@dataclass(frozen=True)
class CentrePrior(_ImageOnly):
    """One blob in the centre, for every image and every model.

    Attributes:
        width: standard deviation of the blob, as a share of the image's side.
    """

    width: float = 0.25

    def of(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """A Gaussian, `[N, H, W, 1]`."""
        rows, columns = (
            np.exp(-0.5 * (np.linspace(-0.5, 0.5, size) / self.width) ** 2)
            for size in images.shape[1:3]
        )
        blob = np.outer(rows, columns).astype(np.float32)
        return np.repeat(blob[None, ..., None], len(images), axis=0)


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


@dataclass(frozen=True)
class OwnRegion(Control):
    """Where the evidence lies for what the network was trained to name, which the check knows.

    Only checks with regions know it; under the others it is constant.
    """

    axioms: ClassVar[frozenset[str]] = frozenset()

    def bind(self, model: Any) -> Bound:
        """Return the control without regions; the model is not used."""

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            return self.of_regions(images, None)

        return explain

    def of_regions(self, images: Floats, regions: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """The regions `[N, H, W]` as maps `[N, H, W, 1]`; ones without regions."""
        if regions is None:
            return np.ones((*images.shape[:3], 1), np.float32)
        return regions[..., np.newaxis].astype(np.float32)


@dataclass(frozen=True)
class Mixture(Method):
    """A dose-response control: `share` sets how much of its map survives new weights.

    At `share` of an image's pixels, which its content decides, the map holds the ranks of
    `RandomFrozen`'s noise; at the others those of `RandomFresh`'s. Both ranks are uniform. So maps
    of two sets of weights have equal marginals, agree at the frozen pixels and are independent
    elsewhere. Only the frozen pixels add to the expected covariance: their share of the variance.
    So the expected correlation is the share. The same holds for magnitudes, as ranks are centred.
    Ranking the mixture once more lowers it by less than 0.2 / (H * W). When weights are redrawn,
    the ceiling is 1 and the null is 0, so `retained` is the share.

    Under data randomization the twins have other weights too: their maps agree at the share alone,
    and all of that is retained. There the control has no dose-response scale.

    Attributes:
        share: of the pixels that are frozen, rounded to whole pixels.
        seed: of both noises.
    """

    class_specific: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    uses_gradients: ClassVar[bool] = False
    thread_safe: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = frozenset({"noise", "weights"})

    share: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be in [0, 1]; got {self.share}")

    def bind(self, model: Any) -> Bound:
        """Return the control, which hashes the current weights at every call."""
        frozen, fresh = RandomFrozen(self.seed).bind(model), RandomFresh(self.seed).bind(model)

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            # Another explainer seed must not change the frozen part, so it gets no keys.
            frozen_maps, fresh_maps = frozen(images, targets), fresh(images, targets, keys=keys)
            is_frozen = np.stack(
                [self._is_frozen(int(key), frozen_maps[0].size) for key in image_keys(images)]
            )
            mixed = np.where(is_frozen, _centred_ranks(frozen_maps), _centred_ranks(fresh_maps))
            return mixed.reshape(frozen_maps.shape).astype(np.float32)

        return explain

    def _is_frozen(self, key: int, size: int) -> NDArray[np.bool_]:
        """`[size]` bool: which pixels of an image are frozen."""
        order = stream("mixture", self.seed, key).permutation(size)
        return np.asarray(order < round(self.share * size))


def _relevance(name: tuple[str, int], seeds: Ints, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Noise of `shape` `[N, h, w, C]`, a stream per image."""
    streams = (stream(*name, int(key)) for key in seeds)
    return np.stack([random.standard_normal(shape[1:], np.float32) for random in streams])


def _centred_ranks(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """`[N, H * W]` ranks of each map `[N, H, W, 1]`, symmetric about 0."""
    rows = maps.reshape(len(maps), -1)
    return np.asarray(rows.argsort(axis=1).argsort(axis=1) - (rows.shape[1] - 1) / 2)


def _sobel(images: Floats, *, along: int, across: int) -> Floats:
    edges = ndimage.correlate1d(images, [-1, 0, 1], axis=along, mode="nearest")
    return np.asarray(ndimage.correlate1d(edges, [1, 2, 1], axis=across, mode="nearest"))


def _noise(seeds: list[tuple[int | str, ...]], images: Floats) -> NDArray[np.float32]:
    """Standard normal maps `[N, H, W, 1]`, one per seed."""
    shape = (*images.shape[1:3], 1)
    return np.stack([stream(*seed).standard_normal(shape, np.float32) for seed in seeds])


CONTROLS: dict[str, type[Control]] = {
    "edge_detector": EdgeDetector,
    "random_frozen": RandomFrozen,
    "centre_prior": CentrePrior,
    "weight_hash": WeightHash,
    "constant": Constant,
    "random_fresh": RandomFresh,
}
"""The controls of every run, by their name in results."""

NAMED_CONTROLS: dict[str, type[Control]] = {"target_hash": TargetHash, "own_region": OwnRegion}
"""The controls of runs with a check that expects a verdict of them, by their name in results."""
