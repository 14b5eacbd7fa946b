"""Averages of a base explainer over noisy copies of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Method, pairs
from saliency_bench.protocols import Bound, Explainer, Floats, Ints
from saliency_bench.randomize import image_keys, stream


@dataclass(frozen=True)
class SmoothGrad(Method):
    """Mean map of noisy copies of each image (Smilkov et al., 2017).

    IG-SmoothGrad is `SmoothGrad(base=IntegratedGradients())`. An image's noise depends on `seed`
    and its key only, so it is the same for every network and in any batch.

    Attributes:
        base: the explainer that is averaged.
        samples: noisy copies per image.
        noise: standard deviation of the Gaussian noise, as a share of the image's max - min.
        seed: of the noise.
    """

    stochastic: ClassVar[bool] = True

    base: Explainer
    samples: int = 50
    noise: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1; got {self.samples}")
        if self.noise < 0:
            raise ValueError(f"noise must be at least 0; got {self.noise}")

    @property
    def signed(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.signed

    @property
    def class_specific(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.class_specific

    @property
    def uses_gradients(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.uses_gradients

    @property
    def multiplies_input(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base.multiplies_input

    def bind(self, model: Any) -> Bound:
        """Compile the base for `model`."""
        explain = self.base.bind(model)
        rows = network.rows_at_once()

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            seeds = image_keys(images) if keys is None else keys
            randoms = [stream("smoothgrad", self.seed, int(key)) for key in seeds]
            spread = np.float32(self.noise) * np.ptp(images, axis=(1, 2, 3))
            totals = np.zeros(0)
            for batch in pairs(len(images), self.samples, rows):
                noisy = np.empty((len(batch.image), *images.shape[1:]), np.float32)
                for row, image in zip(noisy, batch.image, strict=True):
                    randoms[image].standard_normal(dtype=np.float32, out=row)
                    row *= spread[image]
                    row += images[image]
                maps = explain(noisy, targets[batch.image], keys=seeds[batch.image] + batch.sample)
                if not totals.size:
                    totals = np.zeros((len(images), *maps.shape[1:]))
                batch.add_to(totals, maps)
            return np.asarray(totals / self.samples, np.float32)

        return bound
