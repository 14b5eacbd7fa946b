"""DeepLIFT with the rescale rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Compiled, as_tuples, fit_baseline
from saliency_bench.explainers.handing_back import handing_back
from saliency_bench.protocols import Bound, Floats, Output


@dataclass(frozen=True)
class DeepLIFT(Compiled):
    """Contribution of each input to the difference of the score from that of a baseline.

    (Shrikumar et al., 2017, rescale rule.) The map sums to the difference of the output between
    image and baseline.

    Attributes:
        baseline: the input to compare with, model units (0 is grey for a [-1, 1] input): a number,
            one per channel, or a whole image `[H, W, C]`; stored as nested tuples.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("shrikumar2017",)
    multiplies_input: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = USUAL | {"linearity", "completeness"}

    baseline: ArrayLike = 0.0
    output: Output = "logit"

    def __post_init__(self) -> None:
        object.__setattr__(self, "baseline", as_tuples(self.baseline))

    def compile(self, model: Any) -> Bound:
        """Compile for `model`.

        Raises:
            NotApplicable: if a layer has no rule; the message names it.
            ValueError: if the baseline does not fit the model's images.
        """
        return network.differences(model, partial(fit_baseline, self.baseline), self.output)

    def handing_back(self, model: Any) -> Bound:
        """Noise at the scores, handed back by the rescale rule."""
        rule = network.rescale(partial(fit_baseline, self.baseline))
        return handing_back(model, self.output, rule)

    def reference(self, images: Floats) -> Floats:
        """The baseline, once per image."""
        return np.broadcast_to(fit_baseline(self.baseline, images.shape[1:]), images.shape)
