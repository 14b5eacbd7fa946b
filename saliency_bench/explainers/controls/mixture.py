"""Noise of which a known share survives new weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.explainers.base import Method
from saliency_bench.explainers.controls.noise import RandomFresh, RandomFrozen
from saliency_bench.protocols import Bound, Floats, Ints
from saliency_bench.randomize import image_keys, stream


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

    papers: ClassVar[tuple[str, ...]] = ()
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


def _centred_ranks(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """`[N, H * W]` ranks of each map `[N, H, W, 1]`, symmetric about 0."""
    rows = maps.reshape(len(maps), -1)
    return np.asarray(rows.argsort(axis=1).argsort(axis=1) - (rows.shape[1] - 1) / 2)
