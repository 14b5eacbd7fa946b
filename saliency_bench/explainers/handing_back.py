"""Noise in place of the score, handed back by a method's own rule; for cosine convergence."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import in_float32
from saliency_bench.protocols import Bound, Floats, Ints, Output
from saliency_bench.randomize import image_keys, stream


def handing_back(model: Any, output: Output, rule: network.Rule | None = None) -> Bound:
    """Noise from N(0, 1) at the scores, handed back: see `network.HandedBack`; keys seed it.

    Args:
        model: any built Keras model.
        output: the scores.
        rule: how signals are handed back; None: the gradient.
    """
    if rule is None:  # several explainers hand back the gradient
        key = ("handed_back", output, network.Batches())
        kernel = network.once(model, key, partial(network.HandedBack, output=output))
    else:
        kernel = network.HandedBack(model, output, rule)

    def explain(images: Floats, targets: Ints, *, keys: Ints | None = None) -> NDArray[np.float32]:
        seeds = image_keys(images) if keys is None else keys

        def noise(scores: int) -> Floats:
            streams = (stream("relevance", int(key)) for key in seeds)
            return np.stack([random.standard_normal(scores, np.float32) for random in streams])

        return in_float32(kernel(images, noise))

    return explain
